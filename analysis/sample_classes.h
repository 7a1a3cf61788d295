/*
 * sample_classes.h - very many measurements in bounded memory: how many lie in each narrow class.
 *
 *     value       ...  2^19          2^20                         2^21           ...
 *     octaves     -------|-------------|----------------------------|-------------
 *     classes                          | 0 | 1 | 2 | ...     | 2047 |   each 2^-11 of 2^20 wide
 *                                            |
 *                                            +-- count 4, least a, greatest b
 *                      taken to lie evenly:      a . . b
 *
 * Which class a value is of are the eleven bits behind the exponent of its double. Of a class its
 * least and greatest values are kept as they are and the others are taken to lie evenly between
 * them; so an order statistic is off by less than the width of its class, 2^-11 (0.05 %) of the
 * value, and it is exact in a class of one or two values or of equal ones. That holds for whole
 * numbers below 4,096, for what is measured many times over, and for the ends of a distribution.
 * (Doubles below 2^-1022 are one octave, with 0: of these the error is less than 2^-1033.)
 *
 * The order of adding changes nothing. An octave takes 48 KiB when its first value comes: from a
 * nanosecond to a year there are 55 of them.
 *
 * Core counts gaps between tokens by length, too (core/gap_counter.h): there whole ranges of steps
 * are added up in integers, with classes 16 times as wide, and none for 0.
 */
#ifndef SGL_ANALYSIS_SAMPLE_CLASSES_H
#define SGL_ANALYSIS_SAMPLE_CLASSES_H

#include <stdint.h>

#define SGL_SAMPLE_CLASSES_OF_OCTAVE 2048

/* What an order statistic is off at most, as a share of it. */
#define SGL_SAMPLE_CLASSES_RESOLUTION (1.0 / SGL_SAMPLE_CLASSES_OF_OCTAVE)

struct sgl_sample_classes;

/* NULL: no memory. */
struct sgl_sample_classes *sgl_sample_classes_create(void);

/* A finite value from 0 up, which is not -0. SGL_OK, or SGL_ENOMEM and nothing was added. */
int sgl_sample_classes_add(struct sgl_sample_classes *classes, double value);

/* The order statistic of that rank, from 0 to one less than what was added. */
double sgl_sample_classes_at(const struct sgl_sample_classes *classes, uint64_t rank);

void sgl_sample_classes_destroy(struct sgl_sample_classes *classes);

#endif
