/* Clocks, serial line and trigger pin of the RP2040. One core works; the other stays in the boot ROM. */
#include "cortex_m.h"
#include "hb_port.h"
#include "hb_soc.h"

/* DS 2.1.2: a write to the alias sets, or clears, the bits that are 1. */
#define SET(reg)   (*(volatile uint32_t *)((uintptr_t)&(reg) + 0x2000u))
#define CLEAR(reg) (*(volatile uint32_t *)((uintptr_t)&(reg) + 0x3000u))

/* DS 2.14.3 */
#define RESETS_RESET      HB_REGISTER(0x4000c000)
#define RESETS_RESET_DONE HB_REGISTER(0x4000c008)
#define RESET_IO_BANK0    (1u << 5)
#define RESET_PADS_BANK0  (1u << 8)
#define RESET_PLL_SYS     (1u << 12)
#define RESET_TIMER       (1u << 21)
#define RESET_UART0       (1u << 22)
#define RESET_USED        (RESET_IO_BANK0 | RESET_PADS_BANK0 | RESET_PLL_SYS | RESET_TIMER | RESET_UART0)

/* DS 2.16.7; STARTUP is in units of 256 cycles: 1 ms. The Pico's crystal, and every board's that the boot
 * ROM's USB can be used on, has 12 MHz. */
#define XOSC_CTRL                 HB_REGISTER(0x40024000)
#define XOSC_STATUS               HB_REGISTER(0x40024004)
#define XOSC_STARTUP              HB_REGISTER(0x4002400c)
#define XOSC_HZ                   12000000u
#define XOSC_CTRL_ENABLE_1_15_MHZ (0xfabu << 12 | 0xaa0u)
#define XOSC_STATUS_STABLE        (1u << 31)
#define XOSC_STARTUP_1_MS         ((XOSC_HZ / 1000u + 255u) / 256u)

/* DS 2.17: what the ring oscillator is about at after a reset; it may be 1.8 to 12 MHz. */
#define ROSC_HZ 6500000u

/* DS 2.18.4, and 2.18.2 for the limits: VCO 750 to 1600 MHz; 125 MHz is 12 MHz * 125 / (6 * 2). */
#define PLL_SYS_CS        HB_REGISTER(0x40028000)
#define PLL_SYS_PWR       HB_REGISTER(0x40028004)
#define PLL_SYS_FBDIV_INT HB_REGISTER(0x40028008)
#define PLL_SYS_PRIM      HB_REGISTER(0x4002800c)
#define PLL_CS_LOCK       (1u << 31)
#define PLL_PWR_PD        (1u << 0)
#define PLL_PWR_POSTDIVPD (1u << 3)
#define PLL_PWR_VCOPD     (1u << 5)
#define PLL_REFDIV        1u
#define PLL_FBDIV         125u
#define PLL_POSTDIV1      6u
#define PLL_POSTDIV2      2u
#define PLL_VCO_HZ        (XOSC_HZ / PLL_REFDIV * PLL_FBDIV)
_Static_assert(PLL_VCO_HZ >= 750000000u && PLL_VCO_HZ <= 1600000000u, "what the VCO can do");
_Static_assert(PLL_VCO_HZ / (PLL_POSTDIV1 * PLL_POSTDIV2) == HB_CLOCK_HZ,
               "clock_hz: this port runs at 125 MHz");

/* DS 2.15.7; the sources of the two clocks, which are switched without a glitch, and told in SELECTED by a
 * bit. */
#define CLK_REF_CTRL        HB_REGISTER(0x40008030)
#define CLK_REF_SELECTED    HB_REGISTER(0x40008038)
#define CLK_SYS_CTRL        HB_REGISTER(0x4000803c)
#define CLK_SYS_SELECTED    HB_REGISTER(0x40008044)
#define CLK_PERI_CTRL       HB_REGISTER(0x40008048)
#define CLK_REF_ROSC        0u
#define CLK_REF_XOSC        2u
#define CLK_SYS_REF         0u
#define CLK_SYS_AUX         1u /* with AUXSRC 0, of reset: the PLL */
#define CLK_PERI_ENABLE_SYS (1u << 11)

/* DS 4.2.8: a PL011. Its divider is in 64ths. */
#define UART0_DR          HB_REGISTER(0x40034000)
#define UART0_FR          HB_REGISTER(0x40034018)
#define UART0_IBRD        HB_REGISTER(0x40034024)
#define UART0_FBRD        HB_REGISTER(0x40034028)
#define UART0_LCR_H       HB_REGISTER(0x4003402c)
#define UART0_CR          HB_REGISTER(0x40034030)
#define UART0_IFLS        HB_REGISTER(0x40034034)
#define UART0_IMSC        HB_REGISTER(0x40034038)
#define FR_BUSY           (1u << 3)
#define FR_RXFE           (1u << 4)
#define FR_TXFF           (1u << 5)
#define LCR_H_FEN_8N1     (1u << 4 | 3u << 5)
#define CR_UARTEN_TXE     (1u << 0 | 1u << 8)
#define CR_RXE            (1u << 9)
#define IFLS_RX_EIGHTH    0u
#define IMSC_RX_AND_RT    (1u << 4 | 1u << 6) /* four bytes are here; or one, and then none for 32 bits */
#define BAUD_64THS_OF(hz) ((4u * (hz) + HB_BAUD / 2u) / HB_BAUD)
#define BAUD_64THS        BAUD_64THS_OF(HB_CLOCK_HZ)
_Static_assert(BAUD_64THS >= 64u && BAUD_64THS < 65536u * 64u, "baud: the UART cannot have it");
_Static_assert(50ull * 4u * HB_CLOCK_HZ < 51ull * BAUD_64THS * HB_BAUD &&
                   50ull * 4u * HB_CLOCK_HZ > 49ull * BAUD_64THS * HB_BAUD,
               "baud: the UART misses it by more than 2 %");

/* DS 2.19.6 and 2.3.1.7; PADS: 4 mA, input on, Schmitt trigger. */
#define IO_CTRL(pin)     HB_REGISTER(0x40014004u + 8u * (pin))
#define PADS(pin)        HB_REGISTER(0x4001c004u + 4u * (pin))
#define SIO_GPIO_OUT_SET HB_REGISTER(0xd0000014)
#define SIO_GPIO_OUT_CLR HB_REGISTER(0xd0000018)
#define SIO_GPIO_OE_SET  HB_REGISTER(0xd0000024)
#define IO_UART          2u
#define IO_SIO           5u
#define PADS_PULLED_UP   (1u << 6 | 1u << 4 | 1u << 3 | 1u << 1)
#define TRIGGER          (1u << HB_PORT_TRIGGER)
_Static_assert(HB_PORT_TRIGGER < 30, "trigger: GP0 to GP29");
/* DS 2.19.2, function 2: UART0 is at 0, 12, 16 and 28 and the pin after each. */
_Static_assert(HB_PORT_UART_TX == 0 || HB_PORT_UART_TX == 12 || HB_PORT_UART_TX == 16 ||
                   HB_PORT_UART_TX == 28,
               "uart_tx: UART0 is not at this pin");
_Static_assert(HB_PORT_UART_RX == 1 || HB_PORT_UART_RX == 13 || HB_PORT_UART_RX == 17 ||
                   HB_PORT_UART_RX == 29,
               "uart_rx: UART0 is not at this pin");

/* DS 2.8.3: in the boot ROM, 16 bits each, where its table of functions is, and the function that finds one
 * there by its two letters. "UB" resets the chip into its boot loader; 0 and 0: no pin shows its activity,
 * and all of its USB is on. */
#define ROM_TABLE     0x14u
#define ROM_LOOKUP    0x18u
#define ROM_USB_RESET ('U' | 'B' << 8)

typedef void (*rom_usb_reset)(uint32_t activity_pins, uint32_t disabled_interfaces);
typedef rom_usb_reset (*rom_lookup)(uintptr_t table, uint32_t code);

static uintptr_t rom_pointer(uintptr_t address) {
    __asm volatile("" : "+r"(address)); /* a compiler takes such small addresses for a mistake */
    return *(const volatile uint16_t *)address;
}

static bool select(volatile uint32_t *control, const volatile uint32_t *selected, uint32_t source) {
    *control = source;
    return hb_await(selected, UINT32_MAX, 1u << source);
}

/* A reset of the core alone, as a debugger's, leaves it on the PLL, which is to be reset. The UART is out of
 * reset only once it has a clock, which goes with the core's from now on. */
static void start_anew(void) {
    (void)select(&CLK_SYS_CTRL, &CLK_SYS_SELECTED, CLK_SYS_REF);
    (void)select(&CLK_REF_CTRL, &CLK_REF_SELECTED, CLK_REF_ROSC);
    CLK_PERI_CTRL = CLK_PERI_ENABLE_SYS;
    SET(RESETS_RESET) = RESET_USED;
    CLEAR(RESETS_RESET) = RESET_USED;
    (void)hb_await(&RESETS_RESET_DONE, RESET_USED, RESET_USED);
}

/* The core would stand still on a crystal that does not oscillate. */
static bool start_crystal(void) {
    XOSC_STARTUP = XOSC_STARTUP_1_MS;
    XOSC_CTRL = XOSC_CTRL_ENABLE_1_15_MHZ;
    return hb_await(&XOSC_STATUS, XOSC_STATUS_STABLE, XOSC_STATUS_STABLE) &&
           select(&CLK_REF_CTRL, &CLK_REF_SELECTED, CLK_REF_XOSC);
}

static bool start_pll(void) {
    PLL_SYS_CS = PLL_REFDIV;
    PLL_SYS_FBDIV_INT = PLL_FBDIV;
    CLEAR(PLL_SYS_PWR) = PLL_PWR_PD | PLL_PWR_VCOPD;
    if (!hb_await(&PLL_SYS_CS, PLL_CS_LOCK, PLL_CS_LOCK)) {
        return false;
    }
    PLL_SYS_PRIM = PLL_POSTDIV1 << 16 | PLL_POSTDIV2 << 12;
    CLEAR(PLL_SYS_PWR) = PLL_PWR_POSTDIVPD;
    return select(&CLK_SYS_CTRL, &CLK_SYS_SELECTED, CLK_SYS_AUX);
}

void hb_soc_start(void) {
    start_anew();
    (void)(start_crystal() && start_pll());
    hb_rp2040_start_timers();
}

static bool is_on(uint32_t selected, uint32_t source) {
    return selected == 1u << source;
}

/* True on an emulator without an XOSC, too: on silicon its CTRL is as start_crystal() wrote it. */
static bool is_at_speed(void) {
    return XOSC_CTRL == 0 || (is_on(CLK_SYS_SELECTED, CLK_SYS_AUX) && is_on(CLK_REF_SELECTED, CLK_REF_XOSC));
}

/* The UART's divider. On the ring oscillator the baud may well be one that the host cannot read; it gets no
 * time then either. */
static uint32_t baud_64ths(void) {
    if (is_at_speed()) {
        return BAUD_64THS;
    }
    uint32_t slow = is_on(CLK_REF_SELECTED, CLK_REF_XOSC) ? BAUD_64THS_OF(XOSC_HZ) : BAUD_64THS_OF(ROSC_HZ);
    return slow < 64u ? 64u : slow;
}

void hb_soc_open_line(void) {
    SIO_GPIO_OUT_CLR = TRIGGER;
    SIO_GPIO_OE_SET = TRIGGER;
    IO_CTRL(HB_PORT_TRIGGER) = IO_SIO;
    uint32_t divider = baud_64ths();
    UART0_IBRD = divider / 64u;
    UART0_FBRD = divider % 64u;
    UART0_LCR_H = LCR_H_FEN_8N1; /* takes the divider over, too */
    UART0_CR = CR_UARTEN_TXE;
    PADS(HB_PORT_UART_RX) = PADS_PULLED_UP; /* a line that is not connected is idle */
    IO_CTRL(HB_PORT_UART_TX) = IO_UART;
    IO_CTRL(HB_PORT_UART_RX) = IO_UART;
    if (!is_at_speed()) {
        clock_does_not_start();
    }
}

void hb_soc_listen(void) {
    UART0_IFLS = IFLS_RX_EIGHTH;
    UART0_IMSC = IMSC_RX_AND_RT;
    UART0_CR = CR_UARTEN_TXE | CR_RXE;
}

void hb_port_uart_interrupt(void) {
    while ((UART0_FR & FR_RXFE) == 0) {
        hb_agent_receive((uint8_t)UART0_DR);
    }
}

void hb_port_write(const uint8_t *bytes, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        while ((UART0_FR & FR_TXFF) != 0) {
        }
        UART0_DR = bytes[i];
    }
}

void hb_soc_flush(void) {
    while ((UART0_FR & FR_BUSY) != 0) {
    }
}

_Noreturn void hb_port_boot_loader(void) {
    rom_lookup lookup = (rom_lookup)rom_pointer(ROM_LOOKUP);
    rom_usb_reset usb_reset = lookup(rom_pointer(ROM_TABLE), ROM_USB_RESET);
    if (usb_reset != 0) {
        hb_soc_flush();
        usb_reset(0, 0);
    }
    hb_port_reset();
}

void hb_port_trigger(int on) {
    *(on != 0 ? &SIO_GPIO_OUT_SET : &SIO_GPIO_OUT_CLR) = TRIGGER;
}
