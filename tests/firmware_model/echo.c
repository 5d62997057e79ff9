/* A model that answers and leaves its input alone. */
#include "model.h"

int hb_model_invoke(void) {
    model_answer();
    return 0;
}
