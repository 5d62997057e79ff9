/* The registers that the MPS2 and MPS3 ports use. */
#ifndef HB_MPS2_REGISTERS_H
#define HB_MPS2_REGISTERS_H

#include <stdint.h>

#include "hb_config.h"

#define HB_REGISTER(address) (*(volatile uint32_t *)(uintptr_t)(address))

/* CMSDK APB UART: Arm DDI 0479C, Cortex-M System Design Kit, 4.3. */
#define UART_DATA      HB_REGISTER(HB_PORT_UART_BASE + 0x00)
#define UART_STATE     HB_REGISTER(HB_PORT_UART_BASE + 0x04)
#define UART_CTRL      HB_REGISTER(HB_PORT_UART_BASE + 0x08)
#define UART_INTSTATUS HB_REGISTER(HB_PORT_UART_BASE + 0x0c)
#define UART_BAUDDIV   HB_REGISTER(HB_PORT_UART_BASE + 0x10)

#define UART_STATE_TX_FULL   (1u << 0)
#define UART_STATE_RX_FULL   (1u << 1)
#define UART_CTRL_TX_ENABLE  (1u << 0)
#define UART_CTRL_RX_ENABLE  (1u << 1)
#define UART_CTRL_RX_INT     (1u << 3)
#define UART_INTSTATUS_RX    (1u << 1)
#define UART_SLOWEST_BAUDDIV 16u

/* FPGAIO: Arm DAI 0386 (AN386), 4.4.2: a free-running counter of 32 bits. */
#define FPGAIO_COUNTER HB_REGISTER(HB_PORT_FPGAIO_BASE + 0x18)

/* System control space: Armv7-M Architecture Reference Manual (DDI 0403E), B3.2 to B3.5; Armv8-M (DDI 0553),
 * D1.2. */
#define NVIC_ISER(number) HB_REGISTER(0xe000e100 + 4 * ((number) / 32))
#define NVIC_ISPR(number) HB_REGISTER(0xe000e200 + 4 * ((number) / 32))
#define SCB_ICSR          HB_REGISTER(0xe000ed04)
#define SCB_VTOR          HB_REGISTER(0xe000ed08)
#define SCB_AIRCR         HB_REGISTER(0xe000ed0c)
#define SCB_SHPR3         HB_REGISTER(0xe000ed20)
#define SCB_CFSR          HB_REGISTER(0xe000ed28)
#define SCB_HFSR          HB_REGISTER(0xe000ed2c)
#define SCB_MMFAR         HB_REGISTER(0xe000ed34)
#define SCB_BFAR          HB_REGISTER(0xe000ed38)
#define MPU_CTRL          HB_REGISTER(0xe000ed94)
#define MPU_RNR           HB_REGISTER(0xe000ed98)
#define MPU_RBAR          HB_REGISTER(0xe000ed9c)
#define MPU_RASR          HB_REGISTER(0xe000eda0)
#define MPU_RLAR          HB_REGISTER(0xe000eda0)
#define MPU_MAIR0         HB_REGISTER(0xe000edc0)

#define ICSR_PENDSVSET      (1u << 28)
#define AIRCR_SYSRESETREQ   (0x05fau << 16 | 1u << 2)
#define SHPR3_PENDSV_LOWEST (0xffu << 16)

#endif
