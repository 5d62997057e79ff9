/* The clocks and caches of the H7. */
#include "../stm32/stm32.h"
#include "cache.h"
#include "hb_soc.h"

_Static_assert(HB_PORT_HSE_HZ % SOC_PLL_INPUT_HZ == 0, "hse_hz of the board file is no multiple of 2 MHz");
_Static_assert(SOC_PLL_P *(HB_CLOCK_HZ / 2) % (SOC_PLL_INPUT_HZ / 2) == 0,
               "no setting of the PLL gives the board's clock_hz");
_Static_assert(SOC_BUS_HZ <= SOC_FLASH_HIGHEST_HZ, "the board's clock_hz is beyond voltage scale 1");

/* An emulator may lack the RCC, or have it and no PWR or FLASH: they read as 0, which none of them is on
 * silicon. */

/* "Clock switches and gating": HSI drives the SoC before PLL1 is changed. */
static bool stop_pll(void) {
    RCC_CR |= RCC_CR_HSION;
    if (RCC_CR == 0 || !hb_await(&RCC_CR, RCC_CR_HSIRDY, RCC_CR_HSIRDY)) {
        return false;
    }
    RCC_CFGR = 0;
    if (!hb_await(&RCC_CFGR, RCC_CFGR_SWS, RCC_CFGR_SWS_HSI)) {
        return false;
    }
    RCC_CR &= ~(RCC_CR_PLL1ON | RCC_CR_HSEON);
    RCC_CR &= ~RCC_CR_HSEBYP;
    RCC_D1CFGR = 0;
    RCC_D2CFGR = 0;
    RCC_D3CFGR = 0;
    return hb_await(&RCC_CR, RCC_CR_PLL1RDY | RCC_CR_HSERDY, 0);
}

/* "System supply startup": the first write says that the LDO feeds the core, and only then may the scale
 * change. */
static bool raise_voltage(void) {
    PWR_CR3 = (PWR_CR3 & ~(PWR_CR3_SCUEN | PWR_CR3_BYPASS)) | PWR_CR3_LDOEN;
    if (PWR_CR3 == 0) {
        return true;
    }
    if (!hb_await(&PWR_CSR1, PWR_CSR1_ACTVOSRDY, PWR_CSR1_ACTVOSRDY)) {
        return false;
    }
    PWR_D3CR = PWR_D3CR_VOS_SCALE1;
    return hb_await(&PWR_D3CR, PWR_D3CR_VOSRDY, PWR_D3CR_VOSRDY);
}

static bool start_pll(void) {
    RCC_CR |= HB_PORT_HSE_BYPASS ? RCC_CR_HSEBYP : 0u;
    RCC_CR |= RCC_CR_HSEON;
    if (!hb_await(&RCC_CR, RCC_CR_HSERDY, RCC_CR_HSERDY)) {
        return false;
    }
    RCC_PLLCKSELR = RCC_PLLCKSELR_HSE | (uint32_t)SOC_PLL_M << 4;
    RCC_PLLCFGR = RCC_PLLCFGR_2_TO_4_MHZ | RCC_PLLCFGR_DIVP1EN;
    RCC_PLL1DIVR = (SOC_PLL_N - 1u) | (SOC_PLL_P - 1u) << 9;
    RCC_CR |= RCC_CR_PLL1ON;
    return hb_await(&RCC_CR, RCC_CR_PLL1RDY, RCC_CR_PLL1RDY);
}

static void switch_to_pll(void) {
    FLASH_ACR = SOC_FLASH_WAIT_STATES | SOC_FLASH_WRHIGHFREQ << 4;
    if (FLASH_ACR != 0 && !hb_await(&FLASH_ACR, FLASH_LATENCY, SOC_FLASH_WAIT_STATES)) {
        return;
    }
    RCC_D1CFGR = RCC_D1CFGR_HPRE_DIV2 | RCC_D1CFGR_D1PPRE_DIV2;
    RCC_D2CFGR = RCC_D2CFGR_PPRES_DIV2;
    RCC_D3CFGR = RCC_D3CFGR_D3PPRE_DIV2;
    RCC_D2CCIP2R = 0; /* USARTs run on the clock of their bus */
    RCC_CFGR = RCC_CFGR_SW_PLL1;
    (void)hb_await(&RCC_CFGR, RCC_CFGR_SWS, RCC_CFGR_SWS_PLL1);
}

void hb_soc_start(void) {
    /* Errata ES0392, "Reading from AXI SRAM may lead to data read corruption": before revision V, one read at
     * a time. */
    if (DBGMCU_IDC >> 16 < REVISION_V) {
        AXI_TARG7_FN_MOD = 1;
    }
    if (stop_pll() && raise_voltage() && start_pll()) {
        switch_to_pll();
    }
    hb_caches_on();
}

bool soc_is_at_speed(void) {
    return RCC_CR == 0 || (RCC_CFGR & RCC_CFGR_SWS) == RCC_CFGR_SWS_PLL1;
}
