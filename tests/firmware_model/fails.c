/* A model that says that it failed. */
#include "model.h"

int hb_model_invoke(void) {
    return 7;
}
