/* The registers that every Cortex-M has, or all from Armv7-M on: System Control Space, MPU, DWT. Armv6-M
 * Architecture Reference Manual (DDI 0419E), B3.2 to B3.5; Armv7-M (DDI 0403E), B3.2 to B3.5 and C1.8;
 * Armv8-M (DDI 0553), D1.2. */
#ifndef HB_CORTEX_M_H
#define HB_CORTEX_M_H

#include <stdint.h>

#define HB_REGISTER(address) (*(volatile uint32_t *)(uintptr_t)(address))

/* Words only: Armv6-M takes no others here. */
#define SYST_CSR          HB_REGISTER(0xe000e010)
#define SYST_RVR          HB_REGISTER(0xe000e014)
#define SYST_CVR          HB_REGISTER(0xe000e018)
#define NVIC_ISER(number) HB_REGISTER(0xe000e100 + 4 * ((number) / 32))
#define NVIC_ICER(number) HB_REGISTER(0xe000e180 + 4 * ((number) / 32))
#define NVIC_ISPR(number) HB_REGISTER(0xe000e200 + 4 * ((number) / 32))
#define NVIC_ICPR(number) HB_REGISTER(0xe000e280 + 4 * ((number) / 32))
#define NVIC_IPR(number)  HB_REGISTER(0xe000e400 + 4 * ((number) / 4))
#define SCB_ICSR          HB_REGISTER(0xe000ed04)
#define SCB_VTOR          HB_REGISTER(0xe000ed08)
#define SCB_AIRCR         HB_REGISTER(0xe000ed0c)
#define SCB_SHPR3         HB_REGISTER(0xe000ed20)
#define SCB_CFSR          HB_REGISTER(0xe000ed28) /* this and the next three: not in Armv6-M */
#define SCB_HFSR          HB_REGISTER(0xe000ed2c)
#define SCB_MMFAR         HB_REGISTER(0xe000ed34)
#define SCB_BFAR          HB_REGISTER(0xe000ed38)
#define MPU_TYPE          HB_REGISTER(0xe000ed90)
#define MPU_CTRL          HB_REGISTER(0xe000ed94)
#define MPU_RNR           HB_REGISTER(0xe000ed98)
#define MPU_RBAR          HB_REGISTER(0xe000ed9c)
#define MPU_RASR          HB_REGISTER(0xe000eda0)
#define MPU_RLAR          HB_REGISTER(0xe000eda0)
#define MPU_MAIR0         HB_REGISTER(0xe000edc0)
#define DWT_CTRL          HB_REGISTER(0xe0001000)
#define DWT_CYCCNT        HB_REGISTER(0xe0001004)
#define DWT_LAR HB_REGISTER(0xe0001fb0) /* CoreSight (IHI 0029E), B2.3.10; only a Cortex-M7 has it */
#define DEMCR   HB_REGISTER(0xe000edfc)

#define SYST_CSR_ENABLE     (1u << 0)
#define SYST_CSR_CORE_CLOCK (1u << 2)
#define ICSR_PENDSVSET      (1u << 28)
#define ICSR_PENDSVCLR      (1u << 27)
#define ICSR_PENDSTCLR      (1u << 25)
#define AIRCR_SYSRESETREQ   (0x05fau << 16 | 1u << 2)
#define SHPR3_PENDSV_LOWEST (0xffu << 16)
#define DWT_CTRL_CYCCNTENA  (1u << 0)
#define DWT_LAR_KEY         0xc5acce55u
#define DEMCR_TRCENA        (1u << 24)

#endif
