/* STM32L476 (RM0351) and L4R5 (RM0432): MSI, locked to the 32.768 kHz crystal that their Nucleo boards have
 * (no clock comes from the ST-LINK there), and the PLL. Voltage range 1, from 1.71 V on. */
#ifndef HB_STM32L4_SOC_H
#define HB_STM32L4_SOC_H

#include "hb_config.h"

/* "Interrupt and exception vectors": the L4R5 has the most, up to 94. */
#define HB_SOC_INTERRUPTS 95
#define HB_SOC_DWT        1

/* "Dynamic voltage scaling management": above 80 MHz, which the L476 does not reach, in boost mode. */
#define SOC_BOOST_ABOVE_HZ 80000000

/* "MSI clock", range 11; the data sheets say 48.005 MHz when it is locked: 1465 times 32,768 Hz. */
#define SOC_MSI_HZ       48000000
#define SOC_MSI_RESET_HZ 4000000 /* range 6 */

/* "PLL configuration register (RCC_PLLCFGR)": 4 to 16 MHz into the L476's PLL, whose divider ends at 8, and
 * not more than 8 into the L4R5's; a VCO of 64 to 344 MHz. */
#define SOC_PLL_M        (HB_CLOCK_HZ > SOC_BOOST_ABOVE_HZ ? 12 : 6)
#define SOC_PLL_R        2
#define SOC_PLL_INPUT_HZ (SOC_MSI_HZ / SOC_PLL_M)
#define SOC_PLL_N        (SOC_PLL_R * HB_CLOCK_HZ / SOC_PLL_INPUT_HZ)

/* "Read access latency": one more every 16 MHz on the L476, every 20 MHz on the L4R5. */
#define SOC_FLASH_WAIT_STATES ((HB_CLOCK_HZ - 1) / (HB_CLOCK_HZ > SOC_BOOST_ABOVE_HZ ? 20000000 : 16000000))

/* "RCC register map", "PWR register map", "FLASH register map". */
#define RCC_BASE     0x40021000u
#define RCC_CR       HB_REGISTER(RCC_BASE + 0x00u)
#define RCC_CFGR     HB_REGISTER(RCC_BASE + 0x08u)
#define RCC_PLLCFGR  HB_REGISTER(RCC_BASE + 0x0cu)
#define RCC_AHB2ENR  HB_REGISTER(RCC_BASE + 0x4cu)
#define RCC_APB1ENR1 HB_REGISTER(RCC_BASE + 0x58u)
#define RCC_APB1ENR2 HB_REGISTER(RCC_BASE + 0x5cu)
#define RCC_CCIPR    HB_REGISTER(RCC_BASE + 0x88u)
#define RCC_BDCR     HB_REGISTER(RCC_BASE + 0x90u)
#define PWR_CR1      HB_REGISTER(0x40007000u)
#define PWR_CR2      HB_REGISTER(0x40007004u)
#define PWR_CR5      HB_REGISTER(0x40007080u)
#define FLASH_ACR    HB_REGISTER(0x40022000u)

#define RCC_CR_MSION           (1u << 0)
#define RCC_CR_MSIRDY          (1u << 1)
#define RCC_CR_MSIPLLEN        (1u << 2)
#define RCC_CR_MSIRGSEL        (1u << 3)
#define RCC_CR_MSIRANGE        (15u << 4)
#define RCC_CR_MSIRANGE_4_MHZ  (6u << 4)
#define RCC_CR_MSIRANGE_48_MHZ (11u << 4)
#define RCC_CR_PLLON           (1u << 24)
#define RCC_CR_PLLRDY          (1u << 25)
#define RCC_PLLCFGR_MSI        (1u << 0)
#define RCC_PLLCFGR_PLLREN     (1u << 24)
#define RCC_CFGR_SW_PLL        (3u << 0)
#define RCC_CFGR_SWS           (3u << 2)
#define RCC_CFGR_SWS_MSI       (0u << 2)
#define RCC_CFGR_SWS_PLL       (3u << 2)
#define RCC_CFGR_HPRE          (15u << 4)
#define RCC_CFGR_HPRE_DIV2     (8u << 4)
#define RCC_APB1ENR1_PWREN     (1u << 28)
#define RCC_BDCR_LSEON         (1u << 0)
#define RCC_BDCR_LSERDY        (1u << 1)
#define PWR_CR1_DBP            (1u << 8)
#define PWR_CR2_IOSV           (1u << 9)
#define PWR_CR5_R1MODE         (1u << 8)
#define FLASH_LATENCY          15u
#define FLASH_ACR_ICEN         (1u << 9)
#define FLASH_ACR_DCEN         (1u << 10)
#define FLASH_ACR_RESETS       (1u << 11 | 1u << 12) /* ICRST, DCRST */

/* The UARTs: "Memory map", "RCC ... peripheral clock enable register", "Interrupt and exception vectors". */
#define SOC_GPIO_BASE    0x48000000u
#define SOC_GPIO_CLOCKS  RCC_AHB2ENR
#define SOC_UART_FIRST   0
#define SOC_UART_HZ      HB_CLOCK_HZ
#define SOC_UART_SLOW_HZ SOC_MSI_RESET_HZ
#if HB_PORT_UART_BASE == 0x40004400 /* USART2 */
#define HB_SOC_UART_IRQ   38
#define SOC_UART_CLOCKS   RCC_APB1ENR1
#define SOC_UART_CLOCK    (1u << 17)
#define SOC_UART_FUNCTION 7
#define SOC_UART_SCALE    1
#elif HB_PORT_UART_BASE == 0x40008000 /* LPUART1 */
#define HB_SOC_UART_IRQ   70
#define SOC_UART_CLOCKS   RCC_APB1ENR2
#define SOC_UART_CLOCK    (1u << 0)
#define SOC_UART_FUNCTION 8
#define SOC_UART_SCALE    256
#else
#error "uart_base of the board file is neither USART2 nor LPUART1"
#endif

#endif
