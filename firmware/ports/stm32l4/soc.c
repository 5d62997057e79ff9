/* The clocks of the L4, with its flash accelerator (ART): both caches, and no prefetch, as after a reset and
 * as ST, Zephyr and Mbed OS leave it. */
#include "../stm32/stm32.h"
#include "hb_soc.h"

#define LSE_TURNS 8

_Static_assert(SOC_PLL_R *HB_CLOCK_HZ % SOC_PLL_INPUT_HZ == 0,
               "no setting of the PLL gives the board's clock_hz");

/* An emulator may lack the RCC, or have it and no FLASH: they read as 0, which neither of them is on silicon.
 */

/* "Clocks": MSI drives the SoC before the PLL is changed. */
static bool stop_pll(void) {
    RCC_CR |= RCC_CR_MSION;
    if (RCC_CR == 0 || !hb_await(&RCC_CR, RCC_CR_MSIRDY, RCC_CR_MSIRDY)) {
        return false;
    }
    RCC_CFGR = 0;
    if (!hb_await(&RCC_CFGR, RCC_CFGR_SWS, RCC_CFGR_SWS_MSI)) {
        return false;
    }
    RCC_CR &= ~RCC_CR_PLLON;
    return hb_await(&RCC_CR, RCC_CR_PLLRDY, 0);
}

/* "LSE clock": after power comes it takes 2 s, a whole hb_await() at 4 MHz; then it runs through every reset.
 */
static bool start_lse(void) {
    PWR_CR1 |= PWR_CR1_DBP;
    (void)hb_await(&PWR_CR1, PWR_CR1_DBP, PWR_CR1_DBP);
    RCC_BDCR |= RCC_BDCR_LSEON;
    for (int turn = 0; turn < LSE_TURNS; turn++) {
        if (hb_await(&RCC_BDCR, RCC_BDCR_LSERDY, RCC_BDCR_LSERDY)) {
            return true;
        }
    }
    return false;
}

static bool set_wait_states(void) {
    /* Caches are emptied only while they are off. */
    FLASH_ACR = SOC_FLASH_WAIT_STATES;
    FLASH_ACR = SOC_FLASH_WAIT_STATES | FLASH_ACR_RESETS;
    FLASH_ACR = SOC_FLASH_WAIT_STATES | FLASH_ACR_ICEN | FLASH_ACR_DCEN;
    return FLASH_ACR == 0 || hb_await(&FLASH_ACR, FLASH_LATENCY, SOC_FLASH_WAIT_STATES);
}

static bool set_msi(uint32_t range) {
    RCC_CR = (RCC_CR & ~RCC_CR_MSIRANGE) | range | RCC_CR_MSIRGSEL;
    return hb_await(&RCC_CR, RCC_CR_MSIRDY, RCC_CR_MSIRDY);
}

static bool start_pll(void) {
    RCC_PLLCFGR = RCC_PLLCFGR_MSI | (SOC_PLL_M - 1u) << 4 | (uint32_t)SOC_PLL_N << 8 | RCC_PLLCFGR_PLLREN |
                  (SOC_PLL_R / 2u - 1u) << 25;
    RCC_CR |= RCC_CR_PLLON;
    return hb_await(&RCC_CR, RCC_CR_PLLRDY, RCC_CR_PLLRDY);
}

/* "Dynamic voltage scaling management": into boost mode with the AHB clock halved, for 1 us after the switch.
 */
static void switch_to_pll(void) {
    if (HB_CLOCK_HZ > SOC_BOOST_ABOVE_HZ) {
        PWR_CR5 &= ~PWR_CR5_R1MODE;
    }
    RCC_CFGR |= RCC_CFGR_HPRE_DIV2;
    RCC_CFGR |= RCC_CFGR_SW_PLL;
    (void)hb_await(&RCC_CFGR, RCC_CFGR_SWS, RCC_CFGR_SWS_PLL);
    for (uint32_t cycle = 0; cycle < HB_CLOCK_HZ / 1000000u; cycle++) {
        (void)RCC_CFGR;
    }
    RCC_CFGR &= ~RCC_CFGR_HPRE;
}

void hb_soc_start(void) {
    if (!stop_pll()) {
        return;
    }
    RCC_APB1ENR1 |= RCC_APB1ENR1_PWREN;
    (void)RCC_APB1ENR1;
    PWR_CR2 |= PWR_CR2_IOSV; /* port G, where the L4R5ZI's LPUART1 is, has a supply of its own */
    RCC_CCIPR = 0;           /* UARTs run on the clock of their bus */
    if (!set_msi(RCC_CR_MSIRANGE_4_MHZ) || !start_lse() || !set_wait_states()) {
        return;
    }
    bool ready = set_msi(RCC_CR_MSIRANGE_48_MHZ);
    RCC_CR |= RCC_CR_MSIPLLEN;
    if (ready && start_pll()) {
        switch_to_pll();
    } else {
        (void)set_msi(RCC_CR_MSIRANGE_4_MHZ);
    }
}

bool soc_is_at_speed(void) {
    return RCC_CR == 0 || (RCC_CFGR & RCC_CFGR_SWS) == RCC_CFGR_SWS_PLL;
}
