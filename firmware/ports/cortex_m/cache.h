/* The caches of a Cortex-M7. */
#ifndef HB_CACHE_H
#define HB_CACHE_H

/* Switches both on, emptied first. A cache that is on already stays as it is: it may hold what is not in
 * memory yet. */
void hb_caches_on(void);

#endif
