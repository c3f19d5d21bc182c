/* Counts what a thread allocates: each block that Python's allocators are asked for, also one that is freed at once.
 * Lists of free objects (floats, tuples, dicts, frames) give blocks again without asking; these are not counted.
 */
#include <Python.h>

static PyMemAllocatorEx raw_of[2]; /* by domain: objects, and what they hold */
static const PyMemAllocatorDomain domains[2] = {PYMEM_DOMAIN_OBJ, PYMEM_DOMAIN_MEM};
static unsigned long watched;
static unsigned long long blocks, bytes;

static void note(size_t size)
{
    if (PyThread_get_thread_ident() == watched)
        blocks++, bytes += size;
}

static void *counting_malloc(void *below, size_t size)
{
    PyMemAllocatorEx *real = below;
    note(size);
    return real->malloc(real->ctx, size);
}

static void *counting_calloc(void *below, size_t count, size_t size)
{
    PyMemAllocatorEx *real = below;
    note(count * size);
    return real->calloc(real->ctx, count, size);
}

static void *counting_realloc(void *below, void *block, size_t size)
{
    PyMemAllocatorEx *real = below;
    note(size);
    return real->realloc(real->ctx, block, size);
}

static void counting_free(void *below, void *block)
{
    PyMemAllocatorEx *real = below;
    real->free(real->ctx, block);
}

static PyObject *begin(PyObject *module, PyObject *unused)
{
    if (watched) {
        PyErr_SetString(PyExc_RuntimeError, "it counts already");
        return NULL;
    }
    for (int i = 0; i < 2; i++) {
        PyMem_GetAllocator(domains[i], &raw_of[i]);
        PyMemAllocatorEx ours = {&raw_of[i], counting_malloc, counting_calloc, counting_realloc, counting_free};
        PyMem_SetAllocator(domains[i], &ours);
    }
    blocks = bytes = 0;
    watched = PyThread_get_thread_ident();
    Py_RETURN_NONE;
}

static PyObject *end(PyObject *module, PyObject *unused)
{
    if (!watched) {
        PyErr_SetString(PyExc_RuntimeError, "it does not count");
        return NULL;
    }
    watched = 0;
    for (int i = 0; i < 2; i++)
        PyMem_SetAllocator(domains[i], &raw_of[i]);
    return Py_BuildValue("KK", blocks, bytes);
}

static PyMethodDef functions[] = {{"begin", begin, METH_NOARGS, "Count from now on what this thread allocates."},
                                  {"end", end, METH_NOARGS, "Stop; returns how many blocks, and their bytes."},
                                  {NULL, NULL, 0, NULL}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "allocations", NULL, -1, functions, NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit_allocations(void) { return PyModule_Create(&module); }
