/*
 * The version of the agent, in this one place. The server compares it with
 * the versions of its own agent, which are 2.x.
 */
#ifndef BASE_VERSION_H
#define BASE_VERSION_H

#define BBS_VERSION "3.0.0"

/* A day before this version was made, in seconds since 1970. A clock that
 * shows less is wrong. A constant, so that a build can be repeated. */
#define BBS_RELEASED 1795392000 /* 2026-11-23 */

#endif
