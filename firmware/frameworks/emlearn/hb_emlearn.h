/* What the files of this folder share. `hb_emlearn_model.h` is written for one model: the type hb_feature and
 * the numbers HB_FEATURES, HB_SCORES (outputs that the host sees), HB_VALUES (outputs of a network's last
 * layer) and HB_WORKING_BYTES (static buffers of emlearn's own). */
#ifndef HB_EMLEARN_H
#define HB_EMLEARN_H

#include "hb_emlearn_model.h"

/* Fills `scores` for one row of `features`. Returns 0, or another value if emlearn reports an error. Each
 * kind of estimator has its own file that implements this with the code that emlearn generated,
 * `eml_model.h`. */
int hb_emlearn_run(const hb_feature features[HB_FEATURES], float scores[HB_SCORES]);

#endif
