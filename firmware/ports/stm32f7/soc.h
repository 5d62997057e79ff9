/* STM32F746 (RM0385). */
#ifndef HB_STM32F7_SOC_H
#define HB_STM32F7_SOC_H

#include "hb_config.h"

/* "Interrupt and exception vectors": up to 97. */
#define HB_SOC_INTERRUPTS 98
#define HB_SOC_DWT        1

/* "Voltage regulator": scale 1 without over-drive up to 180 MHz. */
#define SOC_OVERDRIVE_ABOVE_HZ 180000000

/* "Flash access control register (FLASH_ACR)". */
#define SOC_FLASH_RESETS (1u << 11) /* ARTRST */

#define SOC_UART_FIRST 0

#include "../stm32/clock_f4_f7.h"

#endif
