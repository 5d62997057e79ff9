/* Stands in for TVM's header of this name: functions that TVM generated are ordinary C functions. */
#ifndef HB_TVM_BASE_H
#define HB_TVM_BASE_H

#include <stddef.h>
#include <stdint.h>

#define TVM_DLL

#endif
