/* The clocks of the F4 and F7, whose RCC and PWR are alike: HSE, PLL, over-drive; limits for 2.7 to 3.6 V.
 *
 * A soc.h also defines SOC_OVERDRIVE_ABOVE_HZ and SOC_FLASH_RESETS (of FLASH_ACR). From the board file:
 * hse_hz, and hse_bypass as 1 where HSE is a clock (a Nucleo's, from its ST-LINK) and no crystal. */
#ifndef HB_STM32_CLOCK_F4_F7_H
#define HB_STM32_CLOCK_F4_F7_H

#include "hb_config.h"

/* "RCC PLL configuration register (RCC_PLLCFGR)": 2 MHz into the PLL is best against jitter, and 1 MHz the
 * least; a VCO of 100 to 432 MHz. */
#define SOC_PLL_INPUT_HZ (HB_PORT_HSE_HZ % 2000000 == 0 ? 2000000 : 1000000)
#define SOC_PLL_M        (HB_PORT_HSE_HZ / SOC_PLL_INPUT_HZ)
#define SOC_PLL_P        2
#define SOC_PLL_N        (SOC_PLL_P * HB_CLOCK_HZ / SOC_PLL_INPUT_HZ)
#define SOC_PLL_Q        9 /* for USB, which is not used: at most 48 MHz */

/* "RCC clock configuration register (RCC_CFGR)": at most 42 to 54 MHz on APB1, twice that on APB2. */
#define SOC_APB1_DIVIDER 4
#define SOC_APB2_DIVIDER 2

/* "Relation between CPU clock frequency and Flash memory read time": one more every 30 MHz. */
#define SOC_FLASH_WAIT_STATES ((HB_CLOCK_HZ - 1) / 30000000)

/* "HSI clock". */
#define SOC_HSI_HZ 16000000

/* "RCC register map" and "PWR register map". */
#define RCC_BASE      0x40023800u
#define RCC_CR        HB_REGISTER(RCC_BASE + 0x00u)
#define RCC_PLLCFGR   HB_REGISTER(RCC_BASE + 0x04u)
#define RCC_CFGR      HB_REGISTER(RCC_BASE + 0x08u)
#define RCC_AHB1ENR   HB_REGISTER(RCC_BASE + 0x30u)
#define RCC_APB1ENR   HB_REGISTER(RCC_BASE + 0x40u)
#define RCC_APB2ENR   HB_REGISTER(RCC_BASE + 0x44u)
#define PWR_CR        HB_REGISTER(0x40007000u) /* CR1 on the F7 */
#define PWR_CSR       HB_REGISTER(0x40007004u) /* CSR1 */
#define FLASH_ACR     HB_REGISTER(0x40023c00u)
#define FLASH_LATENCY 0xfu

#define RCC_CR_HSION         (1u << 0)
#define RCC_CR_HSIRDY        (1u << 1)
#define RCC_CR_HSEON         (1u << 16)
#define RCC_CR_HSERDY        (1u << 17)
#define RCC_CR_HSEBYP        (1u << 18)
#define RCC_CR_PLLON         (1u << 24)
#define RCC_CR_PLLRDY        (1u << 25)
#define RCC_PLLCFGR_RESERVED (0xfu << 28) /* PLLR on the F446; reserved, with a reset value, on others */
#define RCC_PLLCFGR_HSE      (1u << 22)
#define RCC_CFGR_SW_PLL      (2u << 0)
#define RCC_CFGR_SWS         (3u << 2)
#define RCC_CFGR_SWS_HSI     (0u << 2)
#define RCC_CFGR_SWS_PLL     (2u << 2)
#define RCC_CFGR_PPRE1_DIV4  (5u << 10)
#define RCC_CFGR_PPRE2_DIV2  (4u << 13)
#define RCC_APB1ENR_PWREN    (1u << 28)
#define PWR_CR_VOS           (3u << 14) /* on the F405 and F407 bit 14, and bit 15 reserved as 0 */
#define PWR_CR_VOS_SCALE1    (3u << 14)
#define PWR_CR_VOS_F405      (1u << 14) /* scale 1 there; scale 3 on the others */
#define PWR_CR_ODEN          (1u << 16)
#define PWR_CR_ODSWEN        (1u << 17)
#define PWR_CSR_ODRDY        (1u << 16)
#define PWR_CSR_ODSWRDY      (1u << 17)

/* The USARTs: "Memory map", "RCC ... peripheral clock enable register", "Interrupt and exception vectors". */
#define SOC_GPIO_BASE    0x40020000u
#define SOC_GPIO_CLOCKS  RCC_AHB1ENR
#define SOC_UART_SCALE   1
#define SOC_UART_SLOW_HZ SOC_HSI_HZ
#if HB_PORT_UART_BASE == 0x40011000 /* USART1 */
#define HB_SOC_UART_IRQ   37
#define SOC_UART_CLOCKS   RCC_APB2ENR
#define SOC_UART_CLOCK    (1u << 4)
#define SOC_UART_FUNCTION 7
#define SOC_UART_HZ       (HB_CLOCK_HZ / SOC_APB2_DIVIDER)
#elif HB_PORT_UART_BASE == 0x40004400 /* USART2 */
#define HB_SOC_UART_IRQ   38
#define SOC_UART_CLOCKS   RCC_APB1ENR
#define SOC_UART_CLOCK    (1u << 17)
#define SOC_UART_FUNCTION 7
#define SOC_UART_HZ       (HB_CLOCK_HZ / SOC_APB1_DIVIDER)
#elif HB_PORT_UART_BASE == 0x40004800 /* USART3 */
#define HB_SOC_UART_IRQ   39
#define SOC_UART_CLOCKS   RCC_APB1ENR
#define SOC_UART_CLOCK    (1u << 18)
#define SOC_UART_FUNCTION 7
#define SOC_UART_HZ       (HB_CLOCK_HZ / SOC_APB1_DIVIDER)
#elif HB_PORT_UART_BASE == 0x40011400 /* USART6 */
#define HB_SOC_UART_IRQ   71
#define SOC_UART_CLOCKS   RCC_APB2ENR
#define SOC_UART_CLOCK    (1u << 5)
#define SOC_UART_FUNCTION 8
#define SOC_UART_HZ       (HB_CLOCK_HZ / SOC_APB2_DIVIDER)
#else
#error "uart_base of the board file is none of USART1, 2, 3 and 6"
#endif

#ifndef __ASSEMBLER__
#include <stdbool.h>
#include <stdint.h>

/* Sets the regulator to scale 1, which is `voltage` as PWR_CR_VOS, and the wait states, with `accelerator` as
 * the other bits of FLASH_ACR, and makes the PLL the clock. Leaves the SoC on HSI where it cannot. */
void soc_start_pll(uint32_t voltage, uint32_t accelerator);
#endif

#endif
