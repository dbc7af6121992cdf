/*
 * Included before everything that is compiled for the agent, musl and BearSSL:
 * nothing is exported, so nothing is reached through a table. On MIPS and i386
 * that is a good part of the program.
 */
#ifndef __ASSEMBLER__
#pragma GCC visibility push(hidden)
#endif
