/*
 * Runs the unit suites: `unit` all of them, `unit NAME` one. CUnit runs tests in one process, so
 * CTest calls this once per suite: a crash takes one suite with it, not all. Exit 77 = skipped.
 */
#include "support.h"

#include <CUnit/Basic.h>

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define SKIPPED 77

#define SUITE(name) extern CU_TestInfo suite_##name[];
#define DATA_SUITE(name) SUITE(name)
#include "suites.def"
#undef SUITE
#undef DATA_SUITE

static const struct {
    const char *name;
    CU_TestInfo *tests;
    bool needs_data;
} suites[] = {
#define SUITE(name) {#name, suite_##name, false},
#define DATA_SUITE(name) {#name, suite_##name, true},
#include "suites.def"
#undef SUITE
#undef DATA_SUITE
};

int main(int argument_count, char **arguments)
{
    const char *wanted = argument_count > 1 ? arguments[1] : NULL;
    unsigned registered = 0;
    unsigned skipped = 0;

    if (CU_initialize_registry() != CUE_SUCCESS)
        return 1;
    for (size_t i = 0; i < sizeof suites / sizeof suites[0]; i++) {
        if (wanted != NULL && strcmp(wanted, suites[i].name) != 0)
            continue;
        if (suites[i].needs_data && sgl_data_folder() == NULL) {
            printf("SKIPPED: %s needs the public data: set SGLSIM_DATA to its folder\n",
                   suites[i].name);
            skipped++;
            continue;
        }
        CU_SuiteInfo info[] = {{.pName = suites[i].name, .pTests = suites[i].tests},
                               CU_SUITE_INFO_NULL};
        if (CU_register_suites(info) != CUE_SUCCESS) {
            printf("%s: %s\n", suites[i].name, CU_get_error_msg());
            return 1;
        }
        registered++;
    }
    if (registered == 0) {
        if (skipped == 0)
            printf("no suite %s\n", wanted != NULL ? wanted : "at all");
        return skipped > 0 ? SKIPPED : 1;
    }
    CU_basic_set_mode(CU_BRM_VERBOSE);
    CU_basic_run_tests();
    const bool failed = CU_get_number_of_failures() > 0 || CU_get_number_of_tests_run() == 0;
    CU_cleanup_registry();
    return failed ? 1 : 0;
}
