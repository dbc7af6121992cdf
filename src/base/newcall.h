/*
 * System calls that are newer than musl's names for them. From 424 on each has
 * one number on every architecture, but MIPS counts from 4000 (o32).
 */
#ifndef BASE_NEWCALL_H
#define BASE_NEWCALL_H

#ifdef __mips__
#define NEWCALL(number) (4000 + (number))
#else
#define NEWCALL(number) (number)
#endif

#endif
