/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Functions of the C library that nothing here may call: no bound, hidden state, or errors that cannot be
 * told from results. The build includes this before every source file; a call becomes a compile error whose
 * name says what to use instead. The headers that declare them come first, so that those still compile.
 */
#ifndef INGOT_BASE_BANNED_H
#define INGOT_BASE_BANNED_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* No bound: struct str, struct buf and the arena carry lengths. */
#undef strcpy
#undef strcat
#undef strncpy
#undef strncat
#undef stpcpy
#undef sprintf
#undef vsprintf
#undef gets
#define strcpy(...)   banned_use_arena_cstr_or_memcpy
#define strcat(...)   banned_use_buf_add
#define strncpy(...)  banned_use_arena_cstr_or_memcpy
#define strncat(...)  banned_use_buf_add
#define stpcpy(...)   banned_use_arena_cstr_or_memcpy
#define sprintf(...)  banned_use_snprintf_or_buf_printf
#define vsprintf(...) banned_use_vsnprintf_or_arena_vprintf
#define gets(...)     banned_use_getline

/* Hidden state, shared by all threads. */
#undef strtok
#undef localtime
#undef gmtime
#undef ctime
#undef asctime
#undef rand
#undef srand
#undef random
#undef drand48
#define strtok(...)    banned_use_str_split
#define localtime(...) banned_use_localtime_r
#define gmtime(...)    banned_use_gmtime_r
#define ctime(...)     banned_use_strftime
#define asctime(...)   banned_use_strftime
#define rand(...)      banned_use_rand_u64
#define srand(...)     banned_use_rand_test_seed
#define random(...)    banned_use_rand_u64
#define drand48(...)   banned_use_rand_u64

/* An error looks like a number. */
#undef atoi
#undef atol
#undef atoll
#undef atof
#define atoi(...)  banned_use_str_to_i64
#define atol(...)  banned_use_str_to_i64
#define atoll(...) banned_use_str_to_i64
#define atof(...)  banned_use_strtod

/* A shell, or a name that somebody else can take first. */
#undef system
#undef popen
#undef mktemp
#undef tmpnam
#undef tempnam
#define system(...)  banned_use_posix_spawn
#define popen(...)   banned_use_posix_spawn
#define mktemp(...)  banned_use_mkstemp
#define tmpnam(...)  banned_use_mkstemp
#define tempnam(...) banned_use_mkstemp

#endif
