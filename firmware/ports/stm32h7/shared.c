/* What the H7 has in common with other STM32. */
#include "../stm32/line.c"
