/*
 * fleet_parse.h - the inside of reading a fleet file, shared by its files: fleet_file.c (workers,
 * the whole), fleet_faults.c (faults) and fleet_parse.c (values, and complaints about them).
 */
#ifndef SGL_SIM_FLEET_PARSE_H
#define SGL_SIM_FLEET_PARSE_H

#include "sim/fleet_file.h"
#include "sim/ini_file.h"

/* A fault whose worker is looked up when all are known. Borrows the text. */
struct sgl_fleet_pending {
    struct sgl_fault fault;
    struct sgl_span worker;
    struct sgl_ini_place worker_place;
    struct sgl_ini_place section_place;
};

struct sgl_fleet_parse {
    const char *file;
    struct sgl_fleet_file *fleet;
    struct sgl_ini_section section; /* the present one */
    struct sgl_fleet_pending *faults;
    uint32_t fault_count;
    struct sgl_failure *failure;
};

/* Complains of a place in the file: SGL_EINVAL. */
#define SGL_FLEET_FAIL(parse, place, ...)                                                          \
    sgl_ini_fail((parse)->file, place, (parse)->failure, SGL_EINVAL, __VA_ARGS__)

int sgl_fleet_no_memory(const struct sgl_fleet_parse *parse);

bool sgl_fleet_is_one_of(struct sgl_span key, const char *const *names, size_t count);

/* The value as a string, which must fit. */
int sgl_fleet_copy_value(const struct sgl_fleet_parse *parse, const struct sgl_ini_entry *entry,
                         char *out, size_t size);

/* A finite number. */
int sgl_fleet_read_real(const struct sgl_fleet_parse *parse, const struct sgl_ini_entry *entry,
                        double *out);
int sgl_fleet_read_duration(const struct sgl_fleet_parse *parse, const struct sgl_ini_entry *entry,
                            int64_t *out);

/* An unknown key, with the nearest of the names and (table not NULL) parameters: SGL_EINVAL. */
int sgl_fleet_refuse_key(const struct sgl_fleet_parse *parse, const struct sgl_ini_entry *entry,
                         const char *const *names, size_t count, const struct sgl_parameter *table,
                         const char *expected);

/* The present section is a fault: it joins those that are pending. */
int sgl_fleet_read_fault(struct sgl_fleet_parse *parse);

/* Gives the fault to each worker it names. */
int sgl_fleet_place_fault(const struct sgl_fleet_parse *parse,
                          const struct sgl_fleet_pending *pending);

#endif
