/* STM32H743 (RM0433), all revisions: HSE and PLL1 to 400 MHz, in voltage scale 1. Revision V also has scale
 * 0, for 480 MHz, which this port does not use. */
#ifndef HB_STM32H7_SOC_H
#define HB_STM32H7_SOC_H

#include "hb_config.h"

/* "NVIC", interrupt table: up to 149. */
#define HB_SOC_INTERRUPTS 150
#define HB_SOC_DWT        1

/* "RCC PLLs configuration register (RCC_PLLCFGR)": 2 to 16 MHz into the PLL for its wide VCO, 192 to 836 MHz.
 */
#define SOC_PLL_INPUT_HZ 2000000
#define SOC_PLL_M        (HB_PORT_HSE_HZ / SOC_PLL_INPUT_HZ)
#define SOC_PLL_P        2
#define SOC_PLL_N        (SOC_PLL_P * HB_CLOCK_HZ / SOC_PLL_INPUT_HZ)

/* "Clock distribution": at most 200 MHz on AXI and AHB, half that on the APBs. */
#define SOC_BUS_HZ (HB_CLOCK_HZ / 2)
#define SOC_APB_HZ (HB_CLOCK_HZ / 4)

/* "FLASH recommended number of wait states and programming delay", scale 1: 2 and 2 from 185 to 210 MHz of
 * AXI. */
#define SOC_FLASH_WAIT_STATES 2
#define SOC_FLASH_WRHIGHFREQ  2
#define SOC_FLASH_HIGHEST_HZ  210000000

/* "HSI oscillator". */
#define SOC_HSI_HZ 64000000

/* "RCC register map", "PWR register map", "FLASH register map", "DBGMCU". */
#define RCC_BASE         0x58024400u
#define RCC_CR           HB_REGISTER(RCC_BASE + 0x00u)
#define RCC_CFGR         HB_REGISTER(RCC_BASE + 0x10u)
#define RCC_D1CFGR       HB_REGISTER(RCC_BASE + 0x18u)
#define RCC_D2CFGR       HB_REGISTER(RCC_BASE + 0x1cu)
#define RCC_D3CFGR       HB_REGISTER(RCC_BASE + 0x20u)
#define RCC_PLLCKSELR    HB_REGISTER(RCC_BASE + 0x28u)
#define RCC_PLLCFGR      HB_REGISTER(RCC_BASE + 0x2cu)
#define RCC_PLL1DIVR     HB_REGISTER(RCC_BASE + 0x30u)
#define RCC_D2CCIP2R     HB_REGISTER(RCC_BASE + 0x54u)
#define RCC_AHB4ENR      HB_REGISTER(RCC_BASE + 0xe0u)
#define RCC_APB1LENR     HB_REGISTER(RCC_BASE + 0xe8u)
#define PWR_CSR1         HB_REGISTER(0x58024804u)
#define PWR_CR3          HB_REGISTER(0x5802480cu)
#define PWR_D3CR         HB_REGISTER(0x58024818u)
#define FLASH_ACR        HB_REGISTER(0x52002000u)
#define DBGMCU_IDC       HB_REGISTER(0x5c001000u)
#define AXI_TARG7_FN_MOD HB_REGISTER(0x51008108u)

#define RCC_CR_HSION           (1u << 0)
#define RCC_CR_HSIRDY          (1u << 2)
#define RCC_CR_HSEON           (1u << 16)
#define RCC_CR_HSERDY          (1u << 17)
#define RCC_CR_HSEBYP          (1u << 18)
#define RCC_CR_PLL1ON          (1u << 24)
#define RCC_CR_PLL1RDY         (1u << 25)
#define RCC_CFGR_SW_PLL1       (3u << 0)
#define RCC_CFGR_SWS           (7u << 3)
#define RCC_CFGR_SWS_HSI       (0u << 3)
#define RCC_CFGR_SWS_PLL1      (3u << 3)
#define RCC_D1CFGR_HPRE_DIV2   (8u << 0)
#define RCC_D1CFGR_D1PPRE_DIV2 (4u << 4)
#define RCC_D2CFGR_PPRES_DIV2  (4u << 4 | 4u << 8) /* D2PPRE1, D2PPRE2 */
#define RCC_D3CFGR_D3PPRE_DIV2 (4u << 4)
#define RCC_PLLCKSELR_HSE      (2u << 0)
#define RCC_PLLCFGR_2_TO_4_MHZ (1u << 2) /* PLL1RGE */
#define RCC_PLLCFGR_DIVP1EN    (1u << 16)
#define PWR_CSR1_ACTVOSRDY     (1u << 13)
#define PWR_CR3_BYPASS         (1u << 0)
#define PWR_CR3_LDOEN          (1u << 1)
#define PWR_CR3_SCUEN          (1u << 2)
#define PWR_D3CR_VOSRDY        (1u << 13)
#define PWR_D3CR_VOS_SCALE1    (3u << 14)
#define FLASH_LATENCY          15u
#define REVISION_V             0x2003u

/* The USART: "Memory map", "RCC APB1 clock register", interrupt table. */
#define SOC_GPIO_BASE    0x58020000u
#define SOC_GPIO_CLOCKS  RCC_AHB4ENR
#define SOC_UART_FIRST   0
#define SOC_UART_SCALE   1
#define SOC_UART_HZ      SOC_APB_HZ
#define SOC_UART_SLOW_HZ SOC_HSI_HZ
#if HB_PORT_UART_BASE == 0x40004800 /* USART3 */
#define HB_SOC_UART_IRQ   39
#define SOC_UART_CLOCKS   RCC_APB1LENR
#define SOC_UART_CLOCK    (1u << 18)
#define SOC_UART_FUNCTION 7
#else
#error "uart_base of the board file is not USART3"
#endif

#endif
