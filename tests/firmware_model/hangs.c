/* A model that never comes back. */
#include "model.h"

int hb_model_invoke(void) {
    for (volatile int forever = 1; forever;) {
    }
    return 0;
}
