/* Coefficients out of measured steps: exact where the steps are of the form, refused where they
 * cannot tell. */
#include "analysis/step_samples.h"

#include "support.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HEADER                                                                                     \
    "model,tp,system,backend,phase,batch,new_tokens_per_req,context_or_prefix,decode_reqs,"        \
    "step_ms\n"

/* us, of the truth in these tests */
static const double truth[SGL_COEFFICIENT_COUNT] = {6000, 7000, 10, 17, 0.001, 0.05};

/* A table of steps of that truth: batches, prompts and contexts of several sizes. */
static void write_table(char *text, size_t size, bool has_lengths)
{
    static const double batches[] = {1, 4, 16, 64};
    static const double lengths[] = {128, 1024, 4096};
    size_t at = (size_t)snprintf(text, size, HEADER);

    for (size_t b = 0; b < 4; b++)
        for (size_t l = 0; l < 3; l++) {
            const double n = batches[b];
            const double tokens = lengths[has_lengths ? l : 0];
            const double before = lengths[has_lengths ? 2 - l : 0];
            const double prefill = truth[0] + truth[2] * n + truth[3] * n * tokens +
                                   truth[4] * n * tokens * (before + tokens / 2);
            const double decode = truth[1] + truth[2] * n + truth[5] * n * before;
            at += (size_t)snprintf(text + at, size - at,
                                   "m,1,g,s,prefill,%g,%g,%g,0,%.17g\n"
                                   "m,1,g,s,decode,%g,0,%g,%g,%.17g\n",
                                   n, tokens, before, prefill / 1000, n, before, n, decode / 1000);
        }
    snprintf(text + at, size - at, "m,1,g,s,mixed,9,9,9,9,9\n");
}

static void finds_the_form(void)
{
    static char text[16384];
    struct sgl_step_samples samples;
    struct sgl_step_fit fit;
    struct sgl_failure failure = {.text = ""};

    write_table(text, sizeof text, true);
    CU_ASSERT_EQUAL_FATAL(
        sgl_step_samples_load_table(&samples, sgl_scratch_text("s.csv", text), NULL, &failure),
        SGL_OK);
    CU_ASSERT_EQUAL(samples.count, 24);
    CU_ASSERT_EQUAL(samples.skipped_count, 1);
    SGL_ASSERT_TEXT(samples.model, "m");
    CU_ASSERT_EQUAL_FATAL(sgl_step_samples_fit(&fit, &samples, &failure), SGL_OK);
    for (int c = 0; c <= SGL_C_KV_TOKEN; c++)
        CU_ASSERT_DOUBLE_EQUAL(fit.coefficients[c].value_us / truth[c], 1, 1e-8);
    CU_ASSERT(fit.mape[SGL_STEP_PREFILL] < 1e-10);
    for (int c = SGL_C_EXPERT; c < SGL_COEFFICIENT_COUNT; c++)
        CU_ASSERT_EQUAL(fit.coefficients[c].state, SGL_COEFFICIENT_NONE);
    CU_ASSERT_EQUAL(fit.free_tokens, 0);
    CU_ASSERT_EQUAL(fit.count[SGL_STEP_MIXED], 0);
    CU_ASSERT_TRUE(isnan(fit.mape[SGL_STEP_MIXED]));
    sgl_step_samples_release(&samples);
}

/* Steps of a machine that reads its weights for 128 tokens, and computes beyond. Mixed ones only
 * where asked for: R decoding beside one chunk. */
static void add_steps(struct sgl_step_samples *samples, double token_us, const double mixed_us[2])
{
    static const double sizes[] = {1, 8, 32, 100, 300, 1000, 2000};
    static const double lengths[] = {64, 700, 3000};

    *samples = (struct sgl_step_samples){0};
    for (size_t c = 0; c <= 7; c++)
        for (size_t d = 0; d <= (mixed_us != NULL || c == 0 ? 5 : 0); d++)
            for (size_t l = 0; l < 3; l++) {
                const double chunk = c > 0 ? sizes[c - 1] : 0;
                const double decoding = d > 0 ? sizes[d - 1] : 0;
                struct sgl_step_sample one = {
                    .phase = d == 0   ? SGL_STEP_PREFILL
                             : c == 0 ? SGL_STEP_DECODE
                                      : SGL_STEP_MIXED,
                    .requests = decoding + (c > 0),
                    .decoding = decoding,
                    .prefill_tokens = chunk,
                    .pairs = chunk * (lengths[l] + chunk / 2),
                    .context = decoding * lengths[2 - l],
                };
                if (one.requests == 0)
                    continue;
                one.step_us = truth[d > 0 ? 1 : 0] + truth[2] * one.requests + truth[3] * chunk +
                              truth[4] * one.pairs + truth[5] * one.context +
                              token_us * fmax(0, chunk + decoding - 128);
                if (one.phase == SGL_STEP_MIXED)
                    one.step_us += mixed_us[0] * decoding + mixed_us[1] * one.context;
                CU_ASSERT_EQUAL_FATAL(sgl_step_samples_add(samples, &one), SGL_OK);
            }
}

/* 128 is a power of the fourth root of two, so it is found itself. */
static void finds_further_terms(void)
{
    static const double mixed_us[] = {30, 0.2};
    struct sgl_step_samples samples;
    struct sgl_step_fit fit;
    struct sgl_failure failure = {.text = ""};

    add_steps(&samples, 40, mixed_us);
    CU_ASSERT_EQUAL_FATAL(sgl_step_samples_fit(&fit, &samples, &failure), SGL_OK);
    SGL_ASSERT_TEXT(failure.text, "");
    CU_ASSERT_EQUAL(fit.free_tokens, 128);
    for (int c = 0; c <= SGL_C_KV_TOKEN; c++)
        CU_ASSERT_DOUBLE_EQUAL(fit.coefficients[c].value_us / truth[c], 1, 1e-7);
    CU_ASSERT_DOUBLE_EQUAL(fit.coefficients[SGL_C_TOKEN].value_us, 40, 1e-6);
    CU_ASSERT_DOUBLE_EQUAL(fit.coefficients[SGL_C_MIXED_REQUEST].value_us, 30, 1e-6);
    CU_ASSERT_DOUBLE_EQUAL(fit.coefficients[SGL_C_MIXED_KV_TOKEN].value_us, 0.2, 1e-8);
    sgl_step_samples_release(&samples);
}

/* Experts: each of 8 in 128 as likely as any other is 1/16, on the grid. */
static void finds_experts(void)
{
    static const double expert_us = 15000;
    struct sgl_step_samples samples;
    struct sgl_step_fit fit;
    struct sgl_failure failure = {.text = ""};

    add_steps(&samples, 40, NULL);
    for (size_t r = 0; r < samples.count; r++) {
        struct sgl_step_sample *one = &samples.samples[r];
        one->step_us += expert_us * (1 - pow(1 - 0.0625, one->prefill_tokens + one->decoding));
    }
    CU_ASSERT_EQUAL_FATAL(sgl_step_samples_fit(&fit, &samples, &failure), SGL_OK);
    CU_ASSERT_DOUBLE_EQUAL(fit.p_expert, 0.0625, 1e-12);
    CU_ASSERT_EQUAL(fit.free_tokens, 128);
    CU_ASSERT_DOUBLE_EQUAL(fit.coefficients[SGL_C_EXPERT].value_us / expert_us, 1, 1e-6);
    CU_ASSERT_DOUBLE_EQUAL(fit.coefficients[SGL_C_TOKEN].value_us, 40, 1e-4);
    for (int c = 0; c <= SGL_C_KV_TOKEN; c++)
        CU_ASSERT_DOUBLE_EQUAL(fit.coefficients[c].value_us / truth[c], 1, 1e-5);
    /* what the source knows of them is not looked for */
    samples.expert_count = 64;
    samples.experts_per_token = 8;
    CU_ASSERT_EQUAL_FATAL(sgl_step_samples_fit(&fit, &samples, &failure), SGL_OK);
    CU_ASSERT_EQUAL(fit.p_expert, 0.125);
    sgl_step_samples_release(&samples);
}

/* A straight line stays one; what no step shows is not looked for. */
static void leaves_out_what_does_not_show(void)
{
    struct sgl_step_samples samples;
    struct sgl_step_fit fit;
    struct sgl_failure failure = {.text = ""};

    add_steps(&samples, 0, NULL);
    /* noise of 2 %, larger than SGL_STEP_EXACT */
    for (size_t r = 0; r < samples.count; r++)
        samples.samples[r].step_us *= 1 + 0.02 * sin(7.0 * (double)r);
    CU_ASSERT_EQUAL_FATAL(sgl_step_samples_fit(&fit, &samples, &failure), SGL_OK);
    SGL_ASSERT_TEXT(failure.text, "");
    CU_ASSERT_EQUAL(fit.coefficients[SGL_C_TOKEN].state, SGL_COEFFICIENT_NONE);
    CU_ASSERT_EQUAL(fit.coefficients[SGL_C_EXPERT].state, SGL_COEFFICIENT_NONE);
    CU_ASSERT_EQUAL(fit.p_expert, 0);
    CU_ASSERT_EQUAL(fit.coefficients[SGL_C_MIXED_REQUEST].state, SGL_COEFFICIENT_NONE);
    CU_ASSERT_EQUAL(fit.coefficients[SGL_C_MIXED_KV_TOKEN].value_us, 0);
    CU_ASSERT_EQUAL(fit.free_tokens, 0);
    /* one kind of mixed step cannot tell two terms, and does not spoil the rest */
    const struct sgl_step_sample mixed = {.phase = SGL_STEP_MIXED,
                                          .requests = 3,
                                          .decoding = 2,
                                          .prefill_tokens = 100,
                                          .pairs = 5000,
                                          .context = 200,
                                          .step_us = 9000};
    CU_ASSERT_EQUAL_FATAL(sgl_step_samples_add(&samples, &mixed), SGL_OK);
    CU_ASSERT_EQUAL_FATAL(sgl_step_samples_fit(&fit, &samples, &failure), SGL_OK);
    SGL_ASSERT_TEXT(failure.text, "");
    CU_ASSERT_EQUAL(fit.coefficients[SGL_C_MIXED_REQUEST].state, SGL_COEFFICIENT_NONE);
    sgl_step_samples_release(&samples);
}

static void refuse(const char *text, const char *part)
{
    struct sgl_step_samples samples = {0};
    struct sgl_step_fit fit = {0};
    struct sgl_failure failure = {.text = ""};

    int status =
        sgl_step_samples_load_table(&samples, sgl_scratch_text("r.csv", text), NULL, &failure);
    if (status == SGL_OK) {
        status = sgl_step_samples_fit(&fit, &samples, &failure);
        CU_ASSERT_TRUE(fit.is_not_identifiable);
    }
    CU_ASSERT_EQUAL(status, SGL_EINVAL);
    SGL_ASSERT_CONTAINS(failure.text, part);
    sgl_step_samples_release(&samples);
}

static void refuses_constant_columns(void)
{
    static char text[16384];

    write_table(text, sizeof text, false); /* tokens and context only with the batch */
    refuse(text, "the steps cannot tell");
    refuse(HEADER "m,1,g,s,decode,1,0,100,1,7\nm,1,g,s,decode,2,0,100,2,7.1\n"
                  "m,1,g,s,decode,2,0,200,2,7.2\nm,1,g,s,decode,4,0,100,4,7.2\n"
                  "m,1,g,s,decode,4,0,200,4,7.3\nm,1,g,s,decode,8,0,100,8,7.9\n"
                  "m,1,g,s,decode,8,0,200,8,8.3\n",
           "the steps cannot tell");
}

static void refuses_bad_rows(void)
{
    refuse(HEADER "m,1,g,s,prefill,1,nan,0,0,7\n", "new_tokens_per_req is 'nan'");
    refuse(HEADER "m,1,g,s,prefill,1,10,0,0,-7\n", ":2:26: step_ms is '-7'");
    refuse(HEADER "m,1,g,s,prefill,1,10,0,0,0\n", "step_ms is 0, expected a time");
    refuse(HEADER "m,1,g,s,prefill,1,10,0,7\n", "9 cells, expected 10");
    refuse(HEADER "m,1,g,s,prefill,1,10,0,0,7\nm,1,h,s,prefill,1,10,0,0,7\n",
           "system h after system g");
    refuse("model,tp,system,phase,batch,new_tokens,context_or_prefix,decode_reqs,step_ms\n",
           "no column 'new_tokens_per_req'");
    refuse(HEADER, "no step of phase prefill or decode");
    refuse("", "empty, expected a header");
}

#define DENSE_LAYERS(x)                                                                            \
    x("embedding") x("layernorm") x("qkv_proj") x("rotary_emb") x("o_proj") x("gate_up_proj")      \
        x("act_fn") x("down_proj") x("final_layernorm")
#define DENSE_ROWS(name) name ",1,1\n" name ",101,2\n"

/* Two layers: a step of T tokens takes 1 + T/100 - 1/100 us a dense kernel, of which
 * there are 2 + 2 (2 + 6), 5 us each of lm_head and sampler, and 2 times the attention. */
static void composes_kernels(void)
{
    struct sgl_worker_model_spec worker;
    struct sgl_kernel_scope scope = {.worker = &worker, .shape = {.layer_count = 2}};
    struct sgl_step_samples samples;
    struct sgl_failure failure = {.text = ""};

    sgl_scratch_text("k_dense.csv", "layer,tokens,time_us\n" DENSE_LAYERS(DENSE_ROWS));
    sgl_scratch_text("k_per_sequence.csv", "layer,sequences,time_us\n"
                                           "lm_head,1,5\nlm_head,2,5\nsampler,1,5\nsampler,2,5\n");
    const char *path =
        sgl_scratch_text("k_attention.csv", "prefill_chunk,kv_prefill,n_decode,kv_decode,time_us\n"
                                            "0,0,1,64,10\n50,100,1,200,30\n0,0,1,5000,10\n");
    CU_ASSERT_EQUAL_FATAL(sgl_worker_model_parse(&worker, "batching:kv_tokens=1000", &failure),
                          SGL_OK);
    CU_ASSERT_EQUAL_FATAL(sgl_step_samples_load_kernels(&samples, path, &scope, &failure), SGL_OK);
    CU_ASSERT_EQUAL_FATAL(samples.count, 2);
    CU_ASSERT_EQUAL(samples.skipped_count, 1); /* 5,000 tokens do not fit */
    CU_ASSERT_DOUBLE_EQUAL(samples.samples[0].step_us, 18 * 1.0 + 10 + 2 * 10, 1e-9);
    CU_ASSERT_DOUBLE_EQUAL(samples.samples[1].step_us, 18 * 1.5 + 10 + 2 * 30, 1e-9);
    CU_ASSERT_EQUAL(samples.samples[1].phase, SGL_STEP_MIXED);
    CU_ASSERT_EQUAL(samples.samples[1].requests, 2);
    CU_ASSERT_EQUAL(samples.samples[1].pairs, 50 * (100 + 25));
    CU_ASSERT_EQUAL(samples.samples[1].context, 200);
    sgl_step_samples_release(&samples);
    scope.context_max = 100; /* 200 before a chunk or of a decoding request is beyond */
    CU_ASSERT_EQUAL_FATAL(sgl_step_samples_load_kernels(&samples, path, &scope, &failure), SGL_OK);
    CU_ASSERT_EQUAL(samples.count, 1);
    CU_ASSERT_EQUAL(samples.skipped_count, 2);
    sgl_step_samples_release(&samples);

    sgl_scratch_text("k_per_sequence.csv", "layer,sequences,time_us\nlm_hed,1,5\n");
    CU_ASSERT_EQUAL(sgl_step_samples_load_kernels(&samples, path, &scope, &failure), SGL_EINVAL);
    SGL_ASSERT_CONTAINS(failure.text, "unknown layer 'lm_hed'");
    CU_ASSERT_EQUAL(sgl_step_samples_load_kernels(&samples, sgl_scratch("k.csv"), &scope, &failure),
                    SGL_EINVAL);
    SGL_ASSERT_CONTAINS(failure.text, "expected such a name");
    sgl_worker_model_release(&worker);
}

#define ATTENTION_LAYERS(x)                                                                        \
    x("embedding") x("layernorm") x("qkv_proj") x("qk_norm") x("rotary_emb") x("o_proj")           \
        x("final_layernorm")

/* Of 8 experts a token needs 2: 2 tokens need 8 (1 - (3/4)^2) = 3.5 of them, 1 token 2. A layer of
 * experts takes 10 us an expert and 1 us a token; the rest as above, with qk_norm in place of the
 * feed-forward kernels. Newer tables: a mean reach for prefixes, several queries a sequence. */
static void composes_experts(void)
{
    struct sgl_worker_model_spec worker;
    struct sgl_kernel_scope scope = {.worker = &worker, .shape = {.layer_count = 2}};
    struct sgl_step_samples samples;
    struct sgl_failure failure = {.text = ""};

    sgl_scratch_text("e_dense.csv", "layer,tokens,time_us\n" ATTENTION_LAYERS(DENSE_ROWS));
    sgl_scratch_text("e_per_sequence.csv", "layer,sequences,time_us\n"
                                           "lm_head,1,5\nlm_head,2,5\nsampler,1,5\nsampler,2,5\n");
    const char *moe = sgl_scratch_text("e_moe.csv", "ep,tokens,activated_experts,time_us\n"
                                                    "1,1,2,21\n1,2,2,22\n1,2,4,42\n1,101,2,121\n"
                                                    "1,101,8,181\n2,1,2,99\n");
    const char *path =
        sgl_scratch_text("e_attention.csv",
                         "layer,prefill_chunk,prefill_key,n_decode,kv_decode,decode_q_len,time_us\n"
                         "attention,0,0,1,64,1,10\nattention,0,0,2,64,1,10\n"
                         "attention,0,0,1,64,4,10\nattention,100,125,1,200,1,30\n"
                         "attention,100,25,0,0,1,30\n");
    CU_ASSERT_EQUAL_FATAL(sgl_worker_model_parse(&worker, "batching", &failure), SGL_OK);
    const int status = sgl_step_samples_load_kernels(&samples, path, &scope, &failure);
    SGL_ASSERT_TEXT(failure.text, "");
    CU_ASSERT_EQUAL_FATAL(status, SGL_OK);
    CU_ASSERT_EQUAL_FATAL(samples.count, 4);
    CU_ASSERT_EQUAL(samples.skipped_count, 1); /* four queries of one sequence */
    CU_ASSERT_EQUAL(samples.expert_count, 8);
    CU_ASSERT_EQUAL(samples.experts_per_token, 2);
    CU_ASSERT_DOUBLE_EQUAL(samples.samples[0].step_us, 14 + 10 + 2 * 10 + 2 * 21, 1e-9);
    CU_ASSERT_DOUBLE_EQUAL(samples.samples[1].step_us, 14 * 1.01 + 10 + 2 * 10 + 2 * 37, 1e-9);
    CU_ASSERT_DOUBLE_EQUAL(samples.samples[2].step_us, 14 * 2 + 10 + 2 * 30 + 2 * 181, 1e-9);
    CU_ASSERT_EQUAL(samples.samples[2].pairs, 100 * (75 + 50));
    CU_ASSERT_EQUAL(samples.samples[2].requests, 2);
    CU_ASSERT_EQUAL(samples.samples[3].pairs, 2 * 50 * 25); /* two prompts of 50 share the chunk */
    CU_ASSERT_EQUAL(samples.samples[3].requests, 2);
    sgl_step_samples_release(&samples);

    /* two GPUs: 4 all-reduces of 7 us, and of half a byte's way there and back for each byte */
    scope.tp = 2;
    scope.link_us = 7;
    scope.link_gb_per_s = 0.004;
    scope.shape.hidden_size = 100;
    CU_ASSERT_EQUAL_FATAL(sgl_step_samples_load_kernels(&samples, path, &scope, &failure), SGL_OK);
    CU_ASSERT_DOUBLE_EQUAL(samples.samples[0].step_us, 86 + 4 * (7 + 200 / 4.0), 1e-9);
    sgl_step_samples_release(&samples);

    sgl_scratch_text("e_moe.csv", "tokens,activated_experts,time_us\n2,2,22\n1,2,21\n");
    CU_ASSERT_EQUAL(sgl_step_samples_load_kernels(&samples, path, &scope, &failure), SGL_EINVAL);
    SGL_ASSERT_CONTAINS(failure.text, "e_moe.csv:3: expected tokens");
    remove(moe);
    CU_ASSERT_EQUAL(sgl_step_samples_load_kernels(&samples, path, &scope, &failure), SGL_EINVAL);
    SGL_ASSERT_CONTAINS(failure.text, "no two rows of layer gate_up_proj, and there is none of");
    sgl_worker_model_release(&worker);
}

static void reads_a_config(void)
{
    struct sgl_model_shape shape;
    struct sgl_failure failure = {.text = ""};

    CU_ASSERT_EQUAL_FATAL(
        sgl_model_shape_load(&shape,
                             sgl_scratch_text("config.json",
                                              "{\"num_hidden_layers\": 48, \"hidden_size\": 2048, "
                                              "\"num_experts\": 128, \"num_experts_per_tok\": 8}"),
                             &failure),
        SGL_OK);
    CU_ASSERT_EQUAL(shape.layer_count, 48);
    CU_ASSERT_EQUAL(shape.hidden_size, 2048);
    CU_ASSERT_EQUAL(shape.expert_count, 128);
    CU_ASSERT_EQUAL(shape.experts_per_token, 8);
    CU_ASSERT_EQUAL_FATAL(
        sgl_model_shape_load(
            &shape,
            sgl_scratch_text("config.json", "{\"text_config\": {\"num_hidden_layers\": 32}}"),
            &failure),
        SGL_OK);
    CU_ASSERT_EQUAL(shape.layer_count, 32);
    CU_ASSERT_EQUAL(shape.expert_count, 0);
    static const char *const wrong[][2] = {
        {"{}", "no num_hidden_layers"},
        {"{\"num_hidden_layers\": 3.5}", "num_hidden_layers, expected a whole number"},
        {"{\"num_hidden_layers\": 2, \"num_local_experts\": 8}", "is 0, expected 1 to the 8"},
        {"{\"num_hidden_layers\"", "config.json:1:"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        CU_ASSERT_EQUAL(
            sgl_model_shape_load(&shape, sgl_scratch_text("config.json", wrong[i][0]), &failure),
            SGL_EINVAL);
        SGL_ASSERT_CONTAINS(failure.text, wrong[i][1]);
    }
    CU_ASSERT_EQUAL(sgl_model_shape_load(&shape, "nowhere.json", &failure), SGL_EINVAL);
    SGL_ASSERT_CONTAINS(failure.text, "nowhere.json");
}

SGL_SUITE(step_samples) = {
    {"steps of the form give their coefficients back", finds_the_form},
    {"tokens beyond the free ones and mixed steps give their coefficients back",
     finds_further_terms},
    {"steps of a mixture of experts give c_expert and p_expert back", finds_experts},
    {"terms that the steps do not show are left out", leaves_out_what_does_not_show},
    {"columns that are constant or alike are refused", refuses_constant_columns},
    {"rows that are no measurements are refused with their place", refuses_bad_rows},
    {"a step is the sum of its kernels", composes_kernels},
    {"so is one with experts, and with what the GPUs tell one another", composes_experts},
    {"layers, width and experts come out of a model's config.json", reads_a_config},
    CU_TEST_INFO_NULL,
};
