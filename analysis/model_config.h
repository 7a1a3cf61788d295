/*
 * model_config.h - what a step's time hangs on, out of a model's config.json.
 *
 * The file is that of the model's repository (Hugging Face's format):
 *
 *     num_hidden_layers                                      layers
 *     hidden_size                                            numbers of a token between layers
 *     num_experts | num_local_experts | n_routed_experts     experts of a layer
 *     num_experts_per_tok                                    of them, those a token goes to
 *
 * One that describes several models keeps that of text under text_config. A model without experts
 * names none: 0.
 */
#ifndef SGL_ANALYSIS_MODEL_CONFIG_H
#define SGL_ANALYSIS_MODEL_CONFIG_H

#include "core/failure.h"

#include <stdint.h>

struct sgl_model_shape {
    uint32_t layer_count;
    uint32_t hidden_size;       /* 0: not known */
    uint32_t expert_count;      /* 0: no experts, or not known */
    uint32_t experts_per_token; /* with expert_count, from 1 to that */
};

int sgl_model_shape_load(struct sgl_model_shape *shape, const char *path,
                         struct sgl_failure *failure);

#endif
