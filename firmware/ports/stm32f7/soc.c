/* The clocks and caches of the F7. Its ART accelerator serves the flash's alias on the ITCM bus only, at
 * 0x00200000; images lie at 0x08000000 on the AXI bus, where the core's own caches serve them, and so it
 * stays off. */
#include "../stm32/stm32.h"
#include "cache.h"
#include "hb_soc.h"

void hb_soc_start(void) {
    soc_start_pll(PWR_CR_VOS_SCALE1, 0);
    hb_caches_on();
}
