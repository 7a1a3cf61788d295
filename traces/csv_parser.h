/*
 * csv_parser.h - rows of cells out of CSV, with the place of each. The one user of libcsv.
 *
 *     bytes --> look at each byte once: --> libcsv, fed up to --> row: cells with
 *               UTF-8? NUL? line? , \n \r   the next , \n or \r     text, line, column
 *
 * libcsv decides what a cell is: quoted cells may hold commas, newlines and doubled quotes; spaces
 * and tabs around a cell are not part of it; rows without any cell are skipped; a row ends with LF,
 * CRLF or CR, and the last one may lack it. It knows no places, but it ends cells and rows only at
 * the three bytes we cut at, so the place of a cell is where we were. A quote in the middle of a
 * cell is an error, as is one never closed: such files are damaged, and guessing would shift
 * columns.
 *
 * Most rows of most files leave nothing to decide: a whole line of ASCII at hand, without a quote
 * and without a blank at either end of a cell. Those are split at their commas in the look at each
 * byte, which libcsv would do again at four times the cost; all others go to libcsv from their
 * first byte.
 *
 * A byte order mark is skipped. Bytes must be UTF-8 without NUL. Lines and columns count from 1;
 * columns are bytes. Limits, each an error beyond: a cell has at most 1 MiB (a quote never closed
 * would swallow the file), a row at most 4,096 cells and 16 MiB in those that are kept. Memory: one
 * row, one chunk of the file.
 */
#ifndef SGL_TRACES_CSV_PARSER_H
#define SGL_TRACES_CSV_PARSER_H

#include "bytes.h"

#include <stdbool.h>
#include <stdint.h>

#define SGL_CELL_SIZE_MAX ((size_t)1024 * 1024)
#define SGL_CELL_COUNT_MAX 4096
#define SGL_ROW_SIZE_MAX ((size_t)16 * 1024 * 1024)

struct sgl_csv_parser;

struct sgl_csv_cell {
    const char *text; /* ends with NUL; NULL when the cell was not kept */
    size_t size;
    uint64_t line; /* where its first byte stands */
    uint64_t column;
};

/* Borrowed from the parser until its next call. */
struct sgl_csv_row {
    const struct sgl_csv_cell *cells;
    uint32_t cell_count;
    uint64_t line; /* of its first cell */
};

/* The bytes are borrowed and must outlive the parser. */
int sgl_csv_create(struct sgl_csv_parser **parser_out, struct sgl_bytes *bytes,
                   struct sgl_failure *failure);
void sgl_csv_destroy(struct sgl_csv_parser *parser);

/* From now on only cells i < count with keep[i] get a text; before, all do. The array is borrowed
 * and must outlive the parser. */
void sgl_csv_keep(struct sgl_csv_parser *parser, const bool *keep, uint32_t count);

/* 1: a row is in *row_out; 0: the end; negative: failure. */
int sgl_csv_next(struct sgl_csv_parser *parser, struct sgl_csv_row *row_out,
                 struct sgl_failure *failure);

#endif
