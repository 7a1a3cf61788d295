/* The axes of a sweep, and which of their combinations cannot be. */
#include "sweep.h"

#include "cli.h"
#include "policy_json.h"
#include "core/router.h"
#include "core/text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* All numbers of an option; a number given twice would be the same runs twice. */
static int read_numbers(const char *name, const struct sgl_option_list *list, double *numbers,
                        uint32_t *count)
{
    struct sgl_failure failure;

    for (uint32_t i = 0; i < list->count; i++)
        if (sgl_option_numbers(name, list->items[i], numbers, SGL_SWEEP_AXIS_MAX, count,
                               &failure) != SGL_OK) {
            sgl_complain("%s", failure.text);
            return SGL_EXIT_USAGE;
        }
    return SGL_OPTIONS_RUN;
}

static int read_workers(struct sgl_sweep_command *command)
{
    double numbers[SGL_SWEEP_AXIS_MAX] = {0};
    const int code =
        read_numbers("workers", &command->options.workers, numbers, &command->workers_count);

    for (uint32_t i = 0; i < command->workers_count && code == SGL_OPTIONS_RUN; i++) {
        if (numbers[i] != floor(numbers[i]) || numbers[i] > SGL_WORKER_MAX_STANDARD) {
            sgl_complain("--workers %.6g, expected whole numbers from 1 to %d", numbers[i],
                         SGL_WORKER_MAX_STANDARD);
            return SGL_EXIT_USAGE;
        }
        command->workers[i] = (uint64_t)numbers[i];
    }
    return code;
}

static int complain_of(int status, const char *path, const struct sgl_failure *failure)
{
    sgl_complain_of(path != NULL ? path : "", failure->text);
    return status == SGL_EINVAL ? SGL_EXIT_USAGE : SGL_EXIT_FAILED;
}

/* Policies that come to the same would be the same runs twice. */
static int read_policies(struct sgl_sweep_command *command)
{
    const struct sgl_option_list *list = &command->options.policies;
    struct sgl_failure failure;

    for (uint32_t i = 0; i < list->count; i++) {
        const int status = sgl_policy_read(&command->policies[i], list->items[i], &failure);
        if (status != SGL_OK)
            return complain_of(status, NULL, &failure);
        command->policy_count++;
        command->policy_texts[i] = sgl_policy_format(&command->policies[i]);
        if (command->policy_texts[i] == NULL) {
            sgl_complain("out of memory");
            return SGL_EXIT_FAILED;
        }
        for (uint32_t k = 0; k < i; k++)
            if (strcmp(command->policy_texts[i], command->policy_texts[k]) == 0) {
                sgl_complain("--policy %.80s is the same as %.80s (once is enough)", list->items[i],
                             list->items[k]);
                return SGL_EXIT_USAGE;
            }
    }
    return SGL_OPTIONS_RUN;
}

/* Fleets from files, or else profiles x numbers of workers. */
static int lay_out_points(struct sgl_sweep_command *command)
{
    const struct sgl_sweep_options *o = &command->options;
    const uint32_t profiles = o->profiles.count > 0 ? o->profiles.count : 1;
    const uint32_t workers = command->workers_count > 0 ? command->workers_count : 1;

    command->point_count = o->fleets.count > 0 ? o->fleets.count : profiles * workers;
    command->points = calloc(command->point_count, sizeof *command->points);
    command->fleets = calloc(command->point_count, sizeof *command->fleets);
    if (command->points == NULL || command->fleets == NULL) {
        command->point_count = 0;
        sgl_complain("out of memory");
        return SGL_EXIT_FAILED;
    }
    for (uint32_t i = 0; i < command->point_count; i++) {
        struct sgl_simulation_flags *flags = &command->points[i].flags;
        *flags = o->simulation;
        flags->fleet = o->fleets.count > 0 ? o->fleets.items[i] : NULL;
        flags->workers = command->workers_count > 0 ? command->workers[i % workers] : 0;
        flags->profile = o->profiles.count > 0 ? o->profiles.items[i / workers % profiles] : NULL;
        /* A closed loop looks at no arrival times: any other load than 1 is refused. */
        for (uint32_t load = 0; load < command->load_count; load++)
            if (command->loads[load] != 1)
                flags->rate_scale = command->loads[load];
        const int checked = sgl_simulation_flags_check(flags);
        if (checked != SGL_OPTIONS_RUN)
            return checked;
    }
    return SGL_OPTIONS_RUN;
}

int sgl_sweep_axes_read(struct sgl_sweep_command *command)
{
    int code =
        read_numbers("rate-scale", &command->options.loads, command->loads, &command->load_count);

    if (code == SGL_OPTIONS_RUN && command->load_count == 0)
        command->loads[command->load_count++] = 1;
    if (code == SGL_OPTIONS_RUN)
        code = read_workers(command);
    if (code == SGL_OPTIONS_RUN)
        code = read_policies(command);
    return code == SGL_OPTIONS_RUN ? lay_out_points(command) : code;
}

static const char *file_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash != NULL ? slash + 1 : path;
}

/* Files are called by their name, unless another one has it too. */
static void name_point(struct sgl_sweep_command *command, uint32_t index)
{
    struct sgl_sweep_point *point = &command->points[index];
    const struct sgl_option_list *files = &command->options.fleets;
    const uint32_t count = point->fleet.worker_count;
    char number[48];

    if (point->fleet.has_pairs && files->count == 0)
        snprintf(number, sizeof number, "pairs %.30s", point->flags.pairs);
    else
        snprintf(number, sizeof number, "%u worker%s", count, sgl_plural(count));
    if (files->count > 0) {
        const char *name = file_name(files->items[index]);
        uint32_t namesakes = 0;
        for (uint32_t i = 0; i < files->count; i++)
            namesakes += strcmp(file_name(files->items[i]), name) == 0;
        snprintf(point->name, sizeof point->name, "%s", namesakes > 1 ? files->items[index] : name);
    } else if (command->options.profiles.count > 1) {
        snprintf(point->name, sizeof point->name, "%s, %.100s", number,
                 point->fleet.spec.profile.name);
    } else {
        snprintf(point->name, sizeof point->name, "%s", number);
    }
}

static int make_point(struct sgl_sweep_command *command, uint32_t index)
{
    struct sgl_sweep_point *point = &command->points[index];
    struct sgl_failure failure;
    int status = sgl_simulated_fleet_resolve(&point->fleet, &point->flags, &failure);

    if (status != SGL_OK)
        return complain_of(status, point->flags.profile, &failure);
    status =
        sgl_simulated_fleet_make(&point->fleet, &point->flags, &command->options.trace, &failure);
    if (status != SGL_OK) {
        sgl_complain_of_either(command->options.trace.path, point->flags.fleet, failure.text);
        return SGL_EXIT_FAILED;
    }
    name_point(command, index);
    return SGL_OPTIONS_RUN;
}

/* All that is wrong is told at once; the worst exit code counts. */
int sgl_sweep_axes_make(struct sgl_sweep_command *command)
{
    int code = SGL_OPTIONS_RUN;
    struct sgl_failure failure;

    for (uint32_t i = 0; i < command->point_count; i++) {
        struct sgl_sweep_point *point = &command->points[i];
        const int made = make_point(command, i);
        if (made != SGL_OPTIONS_RUN) {
            code = made;
            continue;
        }
        for (uint32_t p = 0; p < command->policy_count; p++)
            if (sgl_simulated_fleet_fits(&point->fleet, &command->policies[p], &failure) !=
                SGL_OK) {
                sgl_complain("%s, %.100s: %.300s", point->name, command->options.policies.items[p],
                             failure.text);
                code = SGL_EXIT_USAGE;
            }
        command->fleets[i] = (struct sgl_sweep_fleet){.name = point->name};
        sgl_simulated_fleet_apply(&point->fleet, NULL, &command->fleets[i].simulation);
        sgl_simulation_flags_apply(&point->flags, &command->fleets[i].simulation);
    }
    return code;
}
