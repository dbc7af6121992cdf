/* Does something in all threads (setuid and the like): here there is one. */
#include "pthread_impl.h"

void __synccall(void (*call)(void *), void *context)
{
	call(context);
}
