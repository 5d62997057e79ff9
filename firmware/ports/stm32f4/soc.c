/* The clocks of the F4, with its flash accelerator (ART) on: prefetch and both caches. */
#include "../stm32/stm32.h"
#include "hb_soc.h"

/* "MCU device ID code". Revision A of the F405 and F407 says that it is an F2, and its prefetch does not work
 * (errata ES0182, "MCU device ID is incorrect" and "ART Accelerator prefetch queue instruction is not
 * supported"). */
#define DBGMCU_IDCODE     HB_REGISTER(0xe0042000u)
#define DBGMCU_IDCODE_DEV 0xfffu
#define DEV_OF_REVISION_A 0x411u
#define DEV_OF_F405       0x413u

void hb_soc_start(void) {
    uint32_t device = DBGMCU_IDCODE & DBGMCU_IDCODE_DEV;
    bool prefetches = device != DEV_OF_REVISION_A;
    bool is_f405 = device == DEV_OF_F405 || device == DEV_OF_REVISION_A;
    soc_start_pll(is_f405 ? PWR_CR_VOS_F405 : PWR_CR_VOS_SCALE1,
                  FLASH_ACR_ICEN | FLASH_ACR_DCEN | (prefetches ? FLASH_ACR_PRFTEN : 0u));
}
