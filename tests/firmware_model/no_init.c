/* A model that cannot be set up. */
#include "model.h"

int hb_model_init(void) {
    return 1;
}

int hb_model_invoke(void) {
    return 0;
}
