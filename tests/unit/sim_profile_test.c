#include "sim/profile.h"
#include "sim/worker_model.h"
#include "support.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COMPLETE                                                                                   \
    "model = m\ngpu = g\ntp = 1\nsource = s\nc_step_us = 5\nc_request_us = 1\n"                    \
    "c_prefill_token_us = 2\nc_prefill_context_us = 0\nc_kv_token_us = 3\n"

static double value(const struct sgl_parameters *parameters, const char *name)
{
    for (size_t i = 0; parameters->table[i].name != NULL; i++)
        if (strcmp(parameters->table[i].name, name) == 0)
            return parameters->value[i];
    CU_FAIL("no such parameter");
    return NAN;
}

/* Every built-in profile reads, is uncalibrated, and steps longer on the slower GPU. */
static void built_ins(void)
{
    struct sgl_profile profile;
    struct sgl_failure failure = {""};
    const char *name;
    const char *before = "";
    uint32_t count = 0;

    for (; (name = sgl_profile_at(count)) != NULL; count++) {
        const int status = sgl_profile_named(&profile, name, &failure);
        CU_ASSERT_EQUAL(status, SGL_OK);
        SGL_ASSERT_TEXT(failure.text, "");
        SGL_ASSERT_TEXT(profile.identity.name, name);
        CU_ASSERT_TRUE(strcmp(before, name) < 0);
        CU_ASSERT_TRUE(profile.identity.fit_error[0] != '\0');
        CU_ASSERT_EQUAL(value(&profile.parameters, "kv_tokens"), 0);
        CU_ASSERT_EQUAL(value(&profile.parameters, "scale"), 1);
        /* the rule by GPU memory: 160 GiB and more, 35 and more, less */
        const double chunk = value(&profile.parameters, "chunked_prefill_size");
        CU_ASSERT_TRUE(chunk == 16384 || chunk == 8192 || chunk == 2048);
        if (strstr(profile.identity.gpu, "B200") != NULL)
            CU_ASSERT_EQUAL(chunk, 16384);
        before = name;
    }
    CU_ASSERT_TRUE(count >= 19);
}

/* The numbers of the default profile, in us, are those of its row, in ms. */
static void carries_the_numbers_over(void)
{
    struct sgl_profile profile;
    const int status = sgl_profile_named(&profile, SGL_PROFILE_STANDARD, NULL);

    CU_ASSERT_EQUAL_FATAL(status, SGL_OK);
    CU_ASSERT_EQUAL(value(&profile.parameters, "c_step_decode_us"), 6460.82);
    CU_ASSERT_EQUAL(value(&profile.parameters, "c_step_prefill_us"), 5607.55);
    CU_ASSERT_EQUAL(value(&profile.parameters, "c_request_us"), 8.31794);
    CU_ASSERT_EQUAL(value(&profile.parameters, "c_prefill_token_us"), 16.9367);
    CU_ASSERT_EQUAL(value(&profile.parameters, "c_prefill_context_us"), 0.00105725);
    CU_ASSERT_EQUAL(value(&profile.parameters, "c_kv_token_us"), 0.0419112);
    SGL_ASSERT_TEXT(profile.identity.model, "meta-llama/Meta-Llama-3.1-8B");
    SGL_ASSERT_TEXT(profile.identity.tp, "1");
}

static void reads_a_file(void)
{
    struct sgl_profile profile;
    struct sgl_failure failure = {""};
    const char *path = sgl_scratch_text(
        "mine.profile", "# mine\r\n\n  model=m # comment\ngpu = g h\n tp = 8\nsource= s = t\r\n"
                        "c_step_us = 5\nc_step_decode_us = 7\nc_request_us = 1e0\n"
                        "c_prefill_token_us = 2\nc_prefill_context_us = 0\nc_kv_token_us = 3\n"
                        "page_size = 16\nkv_tokens = 4096\nscheduler = vllm");
    const int status = sgl_profile_find(&profile, path, &failure);

    SGL_ASSERT_TEXT(failure.text, "");
    CU_ASSERT_EQUAL_FATAL(status, SGL_OK);
    SGL_ASSERT_TEXT(profile.identity.name, "mine");
    SGL_ASSERT_TEXT(profile.identity.model, "m");
    SGL_ASSERT_TEXT(profile.identity.gpu, "g h");
    SGL_ASSERT_TEXT(profile.identity.source, "s = t");
    SGL_ASSERT_TEXT(profile.identity.tp, "8");
    CU_ASSERT_EQUAL(value(&profile.parameters, "c_step_prefill_us"), 5);
    CU_ASSERT_EQUAL(value(&profile.parameters, "c_step_decode_us"), 7);
    CU_ASSERT_EQUAL(value(&profile.parameters, "kv_tokens"), 4096);
    CU_ASSERT_EQUAL(value(&profile.parameters, "scheduler"), 1);
    CU_ASSERT_EQUAL(value(&profile.parameters, "max_batch_tokens"), 2048);
}

/* A text that must be refused, with a message that must end like this. */
static void refuses(const char *text, const char *expected)
{
    const char *path = sgl_scratch_text("bad.profile", text);
    struct sgl_profile profile;
    struct sgl_failure failure = {""};
    char whole[1200];

    CU_ASSERT_EQUAL(sgl_profile_load(&profile, path, &failure), SGL_EINVAL);
    snprintf(whole, sizeof whole, "%s:%s", path, expected);
    SGL_ASSERT_TEXT(failure.text, whole);
}

static void refuses_bad_files(void)
{
    struct sgl_profile profile;
    struct sgl_failure failure = {""};

    refuses(COMPLETE "c_kv_token_us = 4\n", "10: c_kv_token_us given twice, expected once");
    refuses("tp = 1\ntp = 1\n", "2: tp given twice, expected once");
    refuses("tp = 0\n", "1: tp=0, expected a whole number from 1 to 9999");
    refuses("\nc_request_us = -1\n", "2: c_request_us=-1, expected a number from 0 to 1000000000");
    refuses("c_request_us = nan", "1: c_request_us=nan, expected a number from 0 to 1000000000");
    refuses("c_request_us = ", "1: c_request_us=, expected a number from 0 to 1000000000");
    refuses("c_step_us = 0", "1: c_step_us=0, expected a number from 0.001 to 1000000000");
    refuses("scheduler = sgl", "1: scheduler=sgl, expected one of sglang|vllm");
    refuses("what is this", "1: 'what is this', expected key = value");
    refuses("c_reqest_us = 1", "1: unknown parameter 'c_reqest_us' (did you mean 'c_request_us'?)");
    refuses("model =", "1: model has 0 bytes, expected 1 to 159");
    refuses("", " model is missing, expected a line 'model = ...'");
    refuses("model = m\ngpu = g\ntp = 1\nsource = s\nc_step_us = 5\n",
            " c_request_us is missing, expected a number of at least 0");
    refuses(COMPLETE "page_size = 16\nchunked_prefill_size = 8\n",
            " chunked_prefill_size=8, expected 0 or a multiple of page_size=16");
    refuses(COMPLETE "page_size = 16\nkv_tokens = 8\n",
            " kv_tokens=8, expected 0 or at least page_size=16");
    CU_ASSERT_EQUAL(
        sgl_profile_load(&profile, sgl_scratch_file("nul.profile", "model\0= m", 9), &failure),
        SGL_EINVAL);
    SGL_ASSERT_CONTAINS(failure.text, "has a NUL byte, expected text");
    CU_ASSERT_EQUAL(sgl_profile_load(&profile, sgl_scratch("absent.profile"), &failure), SGL_EIO);
    CU_ASSERT_EQUAL(sgl_profile_find(&profile, "llama31-8b-h10", &failure), SGL_EINVAL);
    SGL_ASSERT_TEXT(failure.text,
                    "unknown profile 'llama31-8b-h10' (did you mean 'llama31-8b-h100'?), expected "
                    "a built-in profile or a file *.profile");
}

/* A model resolved, one of its values, and what it is formatted as. */
static double resolved(const char *service, const char *profile, const char *overrides,
                       const char *name)
{
    struct sgl_worker_model_spec spec;
    struct sgl_worker_model_spec again;
    struct sgl_failure failure = {""};
    const int status = sgl_worker_model_resolve(&spec, service, profile, overrides, &failure);

    SGL_ASSERT_TEXT(failure.text, "");
    CU_ASSERT_EQUAL_FATAL(status, SGL_OK);
    char *text = sgl_worker_model_format(&spec);
    CU_ASSERT_PTR_NOT_NULL_FATAL(text);
    const int reparsed = sgl_worker_model_parse(&again, text, &failure);
    CU_ASSERT_EQUAL_FATAL(reparsed, SGL_OK);
    char *text_again = sgl_worker_model_format(&again);
    SGL_ASSERT_TEXT(text_again, text);
    free(text);
    free(text_again);
    const double found = value(&spec.parameters, name);
    sgl_worker_model_release(&spec);
    sgl_worker_model_release(&again);
    return found;
}

static void later_places_win(void)
{
    CU_ASSERT_EQUAL(resolved("batching", NULL, NULL, "c_step_decode_us"), 6460.82);
    CU_ASSERT_EQUAL(resolved("batching", "llama31-8b-l40s", NULL, "c_step_decode_us"), 22393.7);
    CU_ASSERT_EQUAL(
        resolved("batching:profile=qwen3-8b-b200", "llama31-8b-l40s", NULL, "c_step_decode_us"),
        3536.27);
    CU_ASSERT_EQUAL(resolved("batching:profile=qwen3-8b-b200,c_step_us=3", NULL,
                             "profile=llama31-8b-l40s", "c_step_decode_us"),
                    3);
    CU_ASSERT_EQUAL(
        resolved("batching:c_step_us=3", NULL, "c_step_decode_us=4,scale=2", "c_step_decode_us"),
        4);
    CU_ASSERT_EQUAL(
        resolved("batching:c_step_decode_us=4,c_step_us=3", NULL, NULL, "c_step_decode_us"), 3);
    CU_ASSERT_EQUAL(
        resolved("batching:c_step_us=3,c_step_decode_us=4", NULL, NULL, "c_step_prefill_us"), 3);
    CU_ASSERT_EQUAL(resolved("exponential:servers=2", NULL, "mean_s=0.25", "mean_s"), 0.25);
    CU_ASSERT_EQUAL(resolved("recorded", NULL, NULL, "servers"), 0);
}

static void refuses_bad_models(void)
{
    static const struct {
        const char *service;
        const char *profile;
        const char *overrides;
        const char *expected;
    } cases[] = {
        {"batchin", NULL, NULL, "unknown worker model 'batchin' (did you mean 'batching'?)"},
        {"batching", "", NULL,
         "worker model batching: an empty profile, expected a built-in one or a file *.profile"},
        {"batching:", NULL, "scale", "worker model batching: 'scale', expected key=value"},
        {"batching:scale=2,", NULL, NULL,
         "worker model batching: nothing after the last ',', expected key=value"},
        {"batching:scale=0", NULL, NULL,
         "worker model batching: scale=0, expected a number from 1e-06 to 1000000"},
        {"recorded", "llama31-8b-l40s", NULL, "worker model recorded takes no profile"},
        {"recorded:profile=x", NULL, NULL,
         "worker model recorded: unknown parameter 'profile', expected servers"},
        {"batching:page_size=7", NULL, NULL,
         "chunked_prefill_size=8192, expected 0 or a multiple of page_size=7"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct sgl_worker_model_spec spec;
        struct sgl_failure failure = {""};
        const int status = sgl_worker_model_resolve(&spec, cases[i].service, cases[i].profile,
                                                    cases[i].overrides, &failure);
        CU_ASSERT_EQUAL(status, SGL_EINVAL);
        SGL_ASSERT_TEXT(failure.text, cases[i].expected);
    }
}

static void names_all_models(void)
{
    struct sgl_worker_model_spec spec;
    struct sgl_failure failure = {""};
    char expected[300] = "unknown worker model '', expected one of";
    size_t used = strlen(expected);

    for (uint32_t i = 0; sgl_worker_model_at(i) != NULL; i++)
        used += (size_t)snprintf(expected + used, sizeof expected - used, "%s %s", i > 0 ? "," : "",
                                 sgl_worker_model_at(i)->name);
    CU_ASSERT_EQUAL(sgl_worker_model_resolve(&spec, "", NULL, NULL, &failure), SGL_EINVAL);
    SGL_ASSERT_TEXT(failure.text, expected);
}

static void says_what_is_not_known(void)
{
    struct sgl_worker_model_spec spec;
    char text[200];

    CU_ASSERT_EQUAL(sgl_worker_model_parse(&spec, "batching", NULL), SGL_OK);
    SGL_ASSERT_TEXT(sgl_worker_model_caveat(&spec, 0, text, sizeof text),
                    "kv_tokens is not known: KV memory is unlimited, nothing waits for it");
    SGL_ASSERT_TEXT(sgl_worker_model_caveat(&spec, 1, text, sizeof text),
                    "not calibrated (scale=1): profile llama31-8b-h100, fit error decode 1.0 % "
                    "MAPE, prefill 11.0 % MAPE");
    CU_ASSERT_PTR_NULL(sgl_worker_model_caveat(&spec, 2, text, sizeof text));
    sgl_worker_model_release(&spec);
    CU_ASSERT_EQUAL(sgl_worker_model_parse(&spec, "batching:kv_tokens=9,scale=1.5", NULL), SGL_OK);
    CU_ASSERT_PTR_NULL(sgl_worker_model_caveat(&spec, 0, text, sizeof text));
    sgl_worker_model_release(&spec);
    CU_ASSERT_EQUAL(sgl_worker_model_parse(&spec, "exponential", NULL), SGL_OK);
    CU_ASSERT_PTR_NULL(sgl_worker_model_caveat(&spec, 0, text, sizeof text));
    sgl_worker_model_release(&spec);
}

SGL_SUITE(sim_profile) = {
    {"all built-in profiles read, in order", built_ins},
    {"the default profile has the numbers of its row", carries_the_numbers_over},
    {"a profile is read from a file, whatever its blanks and line ends", reads_a_file},
    {"a bad profile is refused with its line", refuses_bad_files},
    {"profile, text and overrides apply in order, and a formatted model parses back",
     later_places_win},
    {"a bad model is refused with the nearest name", refuses_bad_models},
    {"an unknown model is answered with the names of all", names_all_models},
    {"a model says what is not known of it", says_what_is_not_known},
    CU_TEST_INFO_NULL,
};
