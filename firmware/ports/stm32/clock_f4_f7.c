/* The clocks of the F4 and F7, from reset or from whatever a boot loader has left. */
#include "clock_f4_f7.h"

#include "hb_soc.h"
#include "stm32.h"

/* An emulator may lack the RCC, or have it and no PWR or FLASH: they read as 0, which none of them is on
 * silicon. */

_Static_assert(HB_PORT_HSE_HZ % SOC_PLL_INPUT_HZ == 0, "hse_hz of the board file is no whole number of MHz");
_Static_assert(SOC_PLL_P *HB_CLOCK_HZ % SOC_PLL_INPUT_HZ == 0,
               "no setting of the PLL gives the board's clock_hz");

/* "Clocks", "Voltage regulator": HSI drives the SoC before its PLL is changed. */
static bool stop_pll(void) {
    RCC_CR |= RCC_CR_HSION;
    if (RCC_CR == 0 || !hb_await(&RCC_CR, RCC_CR_HSIRDY, RCC_CR_HSIRDY)) {
        return false;
    }
    RCC_CFGR = 0;
    if (!hb_await(&RCC_CFGR, RCC_CFGR_SWS, RCC_CFGR_SWS_HSI)) {
        return false;
    }
    RCC_CR &= ~(RCC_CR_PLLON | RCC_CR_HSEON);
    RCC_CR &= ~RCC_CR_HSEBYP;
    return hb_await(&RCC_CR, RCC_CR_PLLRDY | RCC_CR_HSERDY, 0);
}

static bool start_hse(void) {
    RCC_CR |= HB_PORT_HSE_BYPASS ? RCC_CR_HSEBYP : 0u;
    RCC_CR |= RCC_CR_HSEON;
    return hb_await(&RCC_CR, RCC_CR_HSERDY, RCC_CR_HSERDY);
}

/* "Voltage regulator", "Entering Over-drive mode": with HSI as the clock, and the PLL on. */
static bool raise_voltage(void) {
    if (HB_CLOCK_HZ <= SOC_OVERDRIVE_ABOVE_HZ || PWR_CR == 0) {
        return true;
    }
    PWR_CR |= PWR_CR_ODEN;
    if (!hb_await(&PWR_CSR, PWR_CSR_ODRDY, PWR_CSR_ODRDY)) {
        return false;
    }
    PWR_CR |= PWR_CR_ODSWEN;
    return hb_await(&PWR_CSR, PWR_CSR_ODSWRDY, PWR_CSR_ODSWRDY);
}

void soc_start_pll(uint32_t voltage, uint32_t accelerator) {
    if (!stop_pll() || !start_hse()) {
        return;
    }
    RCC_APB1ENR |= RCC_APB1ENR_PWREN;
    (void)RCC_APB1ENR;
    PWR_CR = (PWR_CR & ~PWR_CR_VOS) | voltage;
    RCC_PLLCFGR = (RCC_PLLCFGR & RCC_PLLCFGR_RESERVED) | (uint32_t)SOC_PLL_M | (uint32_t)SOC_PLL_N << 6 |
                  (SOC_PLL_P / 2u - 1u) << 16 | RCC_PLLCFGR_HSE | (uint32_t)SOC_PLL_Q << 24;
    RCC_CR |= RCC_CR_PLLON;
    if (!raise_voltage() || !hb_await(&RCC_CR, RCC_CR_PLLRDY, RCC_CR_PLLRDY)) {
        return;
    }
    /* Caches are emptied only while they are off. */
    FLASH_ACR = SOC_FLASH_WAIT_STATES;
    FLASH_ACR = SOC_FLASH_WAIT_STATES | SOC_FLASH_RESETS;
    FLASH_ACR = SOC_FLASH_WAIT_STATES | accelerator;
    if (FLASH_ACR != 0 && !hb_await(&FLASH_ACR, FLASH_LATENCY, SOC_FLASH_WAIT_STATES)) {
        return;
    }
    RCC_CFGR = RCC_CFGR_PPRE1_DIV4 | RCC_CFGR_PPRE2_DIV2;
    RCC_CFGR |= RCC_CFGR_SW_PLL;
    (void)hb_await(&RCC_CFGR, RCC_CFGR_SWS, RCC_CFGR_SWS_PLL);
}

bool soc_is_at_speed(void) {
    return RCC_CR == 0 || (RCC_CFGR & RCC_CFGR_SWS) == RCC_CFGR_SWS_PLL;
}
