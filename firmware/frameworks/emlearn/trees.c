/* Classifying trees and forests: the share of votes (or mean share of training samples) of each class. */
#include "hb_emlearn.h"

#include "eml_model.h"

int hb_emlearn_run(const hb_feature features[HB_FEATURES], float scores[HB_SCORES]) {
    return eml_model_predict_proba(features, HB_FEATURES, scores, HB_SCORES);
}
