/* STM32F405 and F407 (RM0090), F446 (RM0390). */
#ifndef HB_STM32F4_SOC_H
#define HB_STM32F4_SOC_H

#include "hb_config.h"

/* "Interrupt and exception vectors": the F446 has the most, up to 96. */
#define HB_SOC_INTERRUPTS 97
#define HB_SOC_DWT        1

/* "Voltage regulator": without over-drive up to 168 MHz; the F405 and F407 have none. */
#define SOC_OVERDRIVE_ABOVE_HZ 168000000

/* "Flash access control register (FLASH_ACR)". */
#define FLASH_ACR_PRFTEN (1u << 8)
#define FLASH_ACR_ICEN   (1u << 9)
#define FLASH_ACR_DCEN   (1u << 10)
#define SOC_FLASH_RESETS (1u << 11 | 1u << 12) /* ICRST, DCRST */

#define SOC_UART_FIRST 1

#include "../stm32/clock_f4_f7.h"

#endif
