/*
 * folder_state.h - the names and bytes of all files below a folder, to be compared and laid out
 * again. Small folders: everything is in memory. What cannot be read or written ends the program.
 */
#ifndef SGL_TESTS_FOLDER_STATE_H
#define SGL_TESTS_FOLDER_STATE_H

#include <stdbool.h>
#include <stddef.h>

/* name NUL size bytes, for each file in order of name; a folder's name ends in '/' and has no
 * bytes. What is in a folder comes behind all that is beside it. */
struct folder_state {
    char *bytes;
    size_t size;
};

struct folder_state folder_state_of(const char *path);
bool folder_state_equals(const struct folder_state *left, const struct folder_state *right);

/* Removes what is in the folder and lays out the state. */
void folder_state_restore(const struct folder_state *state, const char *path);
void folder_state_release(struct folder_state *state);

/* Removes the folder with all that is in it. */
void folder_state_remove(const char *path);

#endif
