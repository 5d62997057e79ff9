/* What the F4 has in common with other STM32. */
#include "../stm32/clock_f4_f7.c"
#include "../stm32/line.c"
