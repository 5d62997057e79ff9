/* The clocks of the F4, with its flash accelerator (ART) on: prefetch and both caches. */
#include "../stm32/stm32.h"
#include "hb_soc.h"

/* "MCU device ID code". Revision A of the F405 and F407 says that it is an F2, and its prefetch does not work
 * (errata ES0182, "MCU device ID is incorrect" and "ART Accelerator prefetch queue instruction is not
 * supported"). */
#define DBGMCU_IDCODE     HB_REGISTER(0xe0042000u)
#define DBGMCU_IDCODE_DEV 0xfffu
#define DEV_OF_REVISION_A 0x411u

void hb_soc_start(void) {
    bool prefetches = (DBGMCU_IDCODE & DBGMCU_IDCODE_DEV) != DEV_OF_REVISION_A;
    soc_start_pll(FLASH_ACR_ICEN | FLASH_ACR_DCEN | (prefetches ? FLASH_ACR_PRFTEN : 0u));
}
