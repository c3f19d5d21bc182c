/* The encoders of the hot path in C, byte for byte what their Python twins give:
 *
 *   add_spans(groups, spans, twin)    otel_distro.exporter.otlp.add_spans, exporter/spans.py
 *   add_logs(groups, records, twin)   otel_distro.exporter.otlp.add_logs, exporter/logs.py
 *   Lines(twin, tail, short, names)   otel_distro.logs.json_line.JsonLines
 *
 * What is not of the usual kind (exact types, few levels, a span without events) is declined before anything is
 * written, and left to the twin: so this file never decides what an odd value becomes. Slots are read where the members
 * of their class say that they lie; objects are few and touched once, as most of them come from a cold cache.
 *
 * Some calls below may run Python code: an attribute looked up, a dict of somebody else's keys, a twin, a reference
 * given back. That code may do anything: call in here again, change or free whatever a slot or a container holds, let
 * another thread do so. Hence
 *   - what a frame goes on using after such a call it owns: the item, its layout, the dict whose pairs it writes, the
 *     group, the buffer; a pointer that is only borrowed from a slot or a container is used up before the next one;
 *   - values are written by functions that run no Python code: exact types only, and names that are exact texts.
 * "May run Python code" stands at each function that may.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <structmember.h>

#ifdef Py_GIL_DISABLED
#error "relies on the GIL; the Python twins serve an interpreter without one"
#endif

#ifndef SOURCE
#define SOURCE "" /* the digest of this file, by which a test knows that what is loaded was built from it */
#endif
#ifdef __GNUC__
#define INLINED static inline __attribute__((always_inline))
#else
#define INLINED static inline
#endif
#define INTERFACE 1 /* otel_distro/native.py asks for the one that it knows */

enum { FAILED = -1, DONE = 0, DECLINED = 1 }; /* an exception is set; written; the twin's to do */
enum { MAX_TEXT = 131072, MAX_DEPTH = 4, MAX_NAMES = 1024, MAX_KEPT_NAME = 256, MAX_SPARE = 262144, MAX_KINDS = 8 };

/* ---- a class whose slots are read in place */

enum { S_TRACER, S_TRACE_ID, S_SPAN_ID, S_PARENT_ID, S_FLAGS, S_IS_ROOT, S_PARENT, S_NAME, S_KIND, S_START, S_END,
       S_ATTRIBUTES, S_COUNT };
static const char *const SPAN_SLOTS[] = {"tracer", "trace_id", "span_id", "parent_id", "flags", "is_root", "_parent",
                                         "_name", "_kind", "_start_time", "_end_time", "_attributes"};
enum { L_SCOPE, L_TIME, L_NUMBER, L_LEVEL, L_BODY, L_ATTRIBUTES, L_FIELDS, L_TRACE_ID, L_SPAN_ID, L_FLAGS, L_EVENT,
       L_COUNT };
static const char *const LOG_SLOTS[] = {"scope", "time_unix_nano", "severity_number", "severity_text", "body",
                                        "attributes", "fields", "trace_id", "span_id", "trace_flags", "event_name"};

typedef struct {                  /* never changed: another class is another layout */
    Py_ssize_t users;             /* the frames that read by it, and the state while it is the last one */
    PyTypeObject *type;           /* the class these offsets are of */
    Py_ssize_t offsets[S_COUNT];  /* none when the first is 0: it has no such slots */
} Layout;

typedef struct {
    unsigned char *data;
    size_t size, room;
} Writer;

typedef struct {
    PyObject *exact, *fixed, *kinds[MAX_KINDS], *span_tag, *log_tag, *has_more, *is_remote, *tracer, *scope;
    unsigned char kind_values[MAX_KINDS];
    Py_ssize_t kept;              /* where a Fixed has its slot of this name */
    Layout *spans, *logs;         /* of the class that was seen last */
    Writer spare;                 /* the buffer between two calls */
} State;

static int declined(void) /* after a call that raised: the twin will meet the same, unless it is no error at all */
{
    if (!PyErr_ExceptionMatches(PyExc_Exception))
        return FAILED;
    PyErr_Clear();
    return DECLINED;
}

static Py_ssize_t offset_of(PyTypeObject *type, const char *name) /* 0: no such slot; may run Python code */
{
    PyObject *found = PyObject_GetAttrString((PyObject *)type, name);
    if (found == NULL)
        return declined() == DECLINED ? 0 : FAILED;
    Py_ssize_t offset = 0;
    if (Py_IS_TYPE(found, &PyMemberDescr_Type)) {
        PyMemberDescrObject *member = (PyMemberDescrObject *)found;
        if (member->d_member->type == T_OBJECT_EX && PyType_IsSubtype(type, PyDescr_TYPE(member)))
            offset = member->d_member->offset;
    }
    Py_DECREF(found);
    return offset > 0 ? offset : 0;
}

static void release(Layout *layout) /* may run Python code */
{
    if (layout == NULL || --layout->users)
        return;
    PyTypeObject *type = layout->type;
    PyMem_Free(layout);
    Py_DECREF(type);
}

/* The layout of a class, to be released. A class changes how it lies in memory never, even if its members are changed
 * later, and `__class__` can only become one that lies the same way. May run Python code. */
static Layout *layout_of(Layout **last, PyTypeObject *type, const char *const *names, int count)
{
    if (*last != NULL && (*last)->type == type) {
        (*last)->users++;
        return *last;
    }
    Layout *made = PyMem_Calloc(1, sizeof(Layout));
    if (made == NULL)
        return (Layout *)PyErr_NoMemory();
    made->users = 1;
    made->type = (PyTypeObject *)Py_NewRef(type);
    int known = 0;
    while (known < count && (made->offsets[known] = offset_of(type, names[known])) > 0)
        known++;
    if (known < count) {
        int failed = made->offsets[known] < 0;
        made->offsets[0] = 0;
        if (failed) {
            release(made);
            return NULL;
        }
    }
    Layout *before = *last;
    *last = made;
    made->users++;
    release(before);
    return made;
}

static inline PyObject *slot(PyObject *object, const Layout *layout, int which) /* borrowed; NULL: unset */
{
    return *(PyObject **)((char *)object + layout->offsets[which]);
}

/* ---- writing */

static int grow(Writer *w, size_t more)
{
    size_t room = w->room * 2 > w->size + more ? w->room * 2 : w->size + more;
    unsigned char *data = PyMem_Realloc(w->data, room < 4096 ? 4096 : room);
    if (data == NULL) {
        PyErr_NoMemory();
        return FAILED;
    }
    w->data = data;
    w->room = room < 4096 ? 4096 : room;
    return DONE;
}

static inline int reserve(Writer *w, size_t more)
{
    return w->room - w->size >= more ? DONE : grow(w, more);
}

static inline int put(Writer *w, const void *from, size_t size)
{
    if (reserve(w, size) < 0)
        return FAILED;
    memcpy(w->data + w->size, from, size);
    w->size += size;
    return DONE;
}

static inline int put_bytes(Writer *w, PyObject *bytes)
{
    return put(w, PyBytes_AS_STRING(bytes), (size_t)PyBytes_GET_SIZE(bytes));
}

static inline size_t varint(unsigned char *to, uint64_t number)
{
    size_t size = 0;
    for (; number > 127; number >>= 7)
        to[size++] = (unsigned char)(number | 128);
    to[size++] = (unsigned char)number;
    return size;
}

static inline void fixed_bytes(unsigned char *to, uint64_t number, int size) /* little-endian, wherever this runs */
{
    for (int i = 0; i < size; i++)
        to[i] = (unsigned char)(number >> 8 * i);
}

static inline void big_bytes(unsigned char *to, uint64_t number)
{
    for (int i = 7; i >= 0; i--, number >>= 8)
        to[i] = (unsigned char)number;
}

/* A field begins with its tag and one byte for its length; when it ends, a length of more bytes makes room. */
static inline Py_ssize_t begin(Writer *w, unsigned char tag)
{
    if (reserve(w, 2) < 0)
        return FAILED;
    w->data[w->size++] = tag;
    return (Py_ssize_t)++w->size;
}

static inline int finish(Writer *w, Py_ssize_t start)
{
    size_t size = w->size - (size_t)start;
    if (size < 128) {
        w->data[start - 1] = (unsigned char)size;
        return DONE;
    }
    unsigned char length[10];
    size_t count = varint(length, size);
    if (reserve(w, count) < 0)
        return FAILED;
    memmove(w->data + start + count - 1, w->data + start, size);
    memcpy(w->data + start - 1, length, count);
    w->size += count - 1;
    return DONE;
}

#define SHORT_ESCAPES "uuuuuuuubtnufruuuuuuuuuuuuuuuuuu"
static const char HEX[] = "0123456789abcdef";

static inline int is_escaped(Py_UCS4 c)
{
    return c < 32 || c == '"' || c == '\\';
}

static inline unsigned char *put_hex4(unsigned char *to, Py_UCS4 c)
{
    *to++ = '\\';
    *to++ = 'u';
    for (int shift = 12; shift >= 0; shift -= 4)
        *to++ = (unsigned char)HEX[c >> shift & 15];
    return to;
}

static inline unsigned char *put_escape(unsigned char *to, Py_UCS4 c)
{
    char letter = c < 32 ? SHORT_ESCAPES[c] : (char)c;
    if (letter == 'u')
        return put_hex4(to, c);
    *to++ = '\\';
    *to++ = (unsigned char)letter;
    return to;
}

static int put_ascii_json(Writer *w, const unsigned char *from, Py_ssize_t size)
{
    for (Py_ssize_t i = 0; i < size;) {
        Py_ssize_t run = i;
        while (run < size && !is_escaped(from[run]))
            run++;
        if (reserve(w, (size_t)(run - i) + 6) < 0)
            return FAILED;
        memcpy(w->data + w->size, from + i, (size_t)(run - i));
        w->size += (size_t)(run - i);
        if (run < size)
            w->size = (size_t)(put_escape(w->data + w->size, from[run++]) - w->data);
        i = run;
    }
    return DONE;
}

static unsigned char *put_utf8(unsigned char *to, Py_UCS4 c)
{
    if (c < 0x80) {
        *to++ = (unsigned char)c;
    } else if (c < 0x800) {
        *to++ = (unsigned char)(0xc0 | c >> 6);
        *to++ = (unsigned char)(0x80 | (c & 63));
    } else if (c < 0x10000) {
        *to++ = (unsigned char)(0xe0 | c >> 12);
        *to++ = (unsigned char)(0x80 | (c >> 6 & 63));
        *to++ = (unsigned char)(0x80 | (c & 63));
    } else {
        *to++ = (unsigned char)(0xf0 | c >> 18);
        *to++ = (unsigned char)(0x80 | (c >> 12 & 63));
        *to++ = (unsigned char)(0x80 | (c >> 6 & 63));
        *to++ = (unsigned char)(0x80 | (c & 63));
    }
    return to;
}

/* UTF-8. A lone surrogate becomes "?" in protobuf ("replace"), and an escape in JSON ("backslashreplace"). */
static int put_text(Writer *w, PyObject *text, int json)
{
    if (text == NULL || !PyUnicode_CheckExact(text))
        return DECLINED;
#if PY_VERSION_HEX < 0x030C0000
    if (PyUnicode_READY(text) < 0)
        return FAILED;
#endif
    Py_ssize_t size = PyUnicode_GET_LENGTH(text);
    if (size > MAX_TEXT)
        return DECLINED;
    if (PyUnicode_IS_COMPACT_ASCII(text)) {
        const unsigned char *from = (const unsigned char *)PyUnicode_1BYTE_DATA(text);
        return json ? put_ascii_json(w, from, size) : put(w, from, (size_t)size);
    }
    if (reserve(w, (size_t)size * 6) < 0)
        return FAILED;
    int kind = (int)PyUnicode_KIND(text);
    const void *data = PyUnicode_DATA(text);
    unsigned char *to = w->data + w->size;
    for (Py_ssize_t i = 0; i < size; i++) {
        Py_UCS4 c = PyUnicode_READ(kind, data, i);
        if (c >= 0xd800 && c < 0xe000) {
            if (json)
                to = put_hex4(to, c);
            else
                *to++ = '?';
        } else {
            to = json && is_escaped(c) ? put_escape(to, c) : put_utf8(to, c);
        }
    }
    w->size = (size_t)(to - w->data);
    return DONE;
}

static inline int put_text_field(Writer *w, unsigned char tag, PyObject *text)
{
    Py_ssize_t start = begin(w, tag);
    if (start < 0)
        return FAILED;
    int result = put_text(w, text, 0);
    return result == DONE ? finish(w, start) : result;
}

/* ---- numbers of Python */

static int unsigned_of(PyObject *number, uint64_t *value)
{
    if (number == NULL || !PyLong_CheckExact(number))
        return DECLINED;
    *value = PyLong_AsUnsignedLongLong(number);
    if (*value == (uint64_t)-1 && PyErr_Occurred()) {
        PyErr_Clear();
        return DECLINED;
    }
    return DONE;
}

static int trace_id_of(PyObject *number, unsigned char *bytes)
{
    if (number == NULL || !PyLong_CheckExact(number))
        return DECLINED;
#if PY_VERSION_HEX >= 0x030D0000
    int how = Py_ASNATIVEBYTES_BIG_ENDIAN | Py_ASNATIVEBYTES_UNSIGNED_BUFFER | Py_ASNATIVEBYTES_REJECT_NEGATIVE;
    Py_ssize_t size = PyLong_AsNativeBytes(number, bytes, 16, how);
    if (size >= 0 && size <= 16)
        return DONE;
#else
    if (_PyLong_AsByteArray((PyLongObject *)number, bytes, 16, 0, 0) == 0)
        return DONE;
#endif
    PyErr_Clear();
    return DECLINED;
}

static int is_zero(const unsigned char *bytes, int size)
{
    unsigned char any = 0;
    for (int i = 0; i < size; i++)
        any |= bytes[i];
    return any == 0;
}

/* ---- attributes */

static int put_any(Writer *w, PyObject *value, int depth);

static int put_list(Writer *w, PyObject *list, int depth)
{
    if (depth >= MAX_DEPTH)
        return DECLINED;
    Py_ssize_t start = begin(w, 0x2a);
    int result = start < 0 ? FAILED : DONE;
    for (Py_ssize_t i = 0; result == DONE && i < PySequence_Fast_GET_SIZE(list); i++) {
        Py_ssize_t item = begin(w, 0x0a);
        result = item < 0 ? FAILED : put_any(w, PySequence_Fast_GET_ITEM(list, i), depth + 1);
        if (result == DONE)
            result = finish(w, item);
    }
    return result == DONE ? finish(w, start) : result;
}

static int put_number(Writer *w, PyObject *value)
{
    int overflow;
    long long number = PyLong_AsLongLongAndOverflow(value, &overflow);
    if (overflow)
        return DECLINED;
    if (reserve(w, 11) < 0)
        return FAILED;
    w->data[w->size++] = 0x18;
    w->size += varint(w->data + w->size, (uint64_t)number);
    return DONE;
}

static int put_double(Writer *w, PyObject *value)
{
    double number = PyFloat_AS_DOUBLE(value);
    uint64_t bits;
    memcpy(&bits, &number, sizeof bits);
    unsigned char bytes[9] = {0x21};
    fixed_bytes(bytes + 1, bits, 8);
    return put(w, bytes, sizeof bytes);
}

static int put_any(Writer *w, PyObject *value, int depth)
{
    if (PyUnicode_CheckExact(value))
        return put_text_field(w, 0x0a, value);
    if (PyLong_CheckExact(value))
        return put_number(w, value);
    if (PyFloat_CheckExact(value))
        return put_double(w, value);
    if (PyBool_Check(value))
        return put(w, value == Py_True ? "\x10\x01" : "\x10\x00", 2);
    if (value == Py_None)
        return DONE;
    if (PyTuple_CheckExact(value) || PyList_CheckExact(value))
        return put_list(w, value, depth);
    if (!PyBytes_CheckExact(value) || PyBytes_GET_SIZE(value) > MAX_TEXT)
        return DECLINED;
    Py_ssize_t start = begin(w, 0x3a);
    return start < 0 || put_bytes(w, value) < 0 ? FAILED : finish(w, start);
}

static int put_pair(Writer *w, unsigned char tag, PyObject *key, PyObject *value)
{
    Py_ssize_t start = begin(w, tag);
    if (start < 0)
        return FAILED;
    int result = put_text_field(w, 0x0a, key);
    if (result != DONE)
        return result;
    Py_ssize_t inner = begin(w, 0x12);
    if (inner < 0)
        return FAILED;
    result = put_any(w, value, 0);
    if (result != DONE)
        return result;
    return finish(w, inner) < 0 ? FAILED : finish(w, start);
}

/* Whether this is a dict that tells its pairs as a dict does, and has any. May run Python code. */
enum { EMPTY = 2 };
static int is_plain(State *state, PyObject *values)
{
    if (values == NULL)
        return DECLINED;
    if (values == Py_None)
        return EMPTY;
    if (PyDict_CheckExact(values) || Py_IS_TYPE(values, (PyTypeObject *)state->exact)
        || Py_IS_TYPE(values, (PyTypeObject *)state->fixed))
        return PyDict_GET_SIZE(values) ? DONE : EMPTY;
    if (!Py_IS_TYPE(values, &PyDictProxy_Type)) /* the fields outside of any work */
        return DECLINED;
    Py_INCREF(values);
    Py_ssize_t size = PyObject_Size(values);
    int result = size < 0 ? declined() : size == 0 ? EMPTY : DECLINED;
    Py_DECREF(values);
    return result;
}

static PyObject *kept_of(State *state, PyObject *values) /* a new reference: where a Fixed keeps what was made of it */
{
    if (!Py_IS_TYPE(values, (PyTypeObject *)state->fixed))
        return NULL;
    PyObject *kept = *(PyObject **)((char *)values + state->kept);
    return kept != NULL && PyDict_CheckExact(kept) ? Py_NewRef(kept) : NULL;
}

static int put_kept(Writer *w, PyObject *kept, PyObject *key, int *found) /* may run Python code */
{
    PyObject *bytes = PyDict_GetItemWithError(kept, key);
    *found = bytes != NULL;
    if (bytes == NULL)
        return PyErr_Occurred() ? declined() : DONE;
    return PyBytes_CheckExact(bytes) ? put_bytes(w, bytes) : DECLINED;
}

static int keep(PyObject *kept, PyObject *key, const Writer *w, size_t from) /* may run Python code */
{
    PyObject *made = PyBytes_FromStringAndSize((char *)w->data + from, (Py_ssize_t)(w->size - from));
    int result = made == NULL ? FAILED : PyDict_SetItem(kept, key, made) < 0 ? declined() : DONE;
    Py_XDECREF(made);
    return result;
}

typedef int (*PutPair)(void *, Writer *, PyObject *, PyObject *); /* runs no Python code */

/* Each pair, or what a Fixed kept of them under this key. The caller owns both dicts. May run Python code. */
INLINED int put_owned_pairs(Writer *w, PyObject *values, PyObject *kept, PyObject *key, PutPair put_one, void *with)
{
    int found = 0, result = kept == NULL ? DONE : put_kept(w, kept, key, &found);
    if (found || result != DONE)
        return result;
    size_t from = w->size;
    Py_ssize_t at = 0;
    PyObject *name, *value;
    while (PyDict_Next(values, &at, &name, &value)) {
        result = put_one(with, w, name, value);
        if (result != DONE)
            return result;
    }
    return kept == NULL ? DONE : keep(kept, key, w, from);
}

/* As above, of what a slot holds. Both are made anew for each kind of pair. May run Python code. */
INLINED int put_pairs(State *state, Writer *w, PyObject *values, PyObject *key, PutPair put_one, void *with)
{
    int result = is_plain(state, values);
    if (result != DONE)
        return result == EMPTY ? DONE : result;
    Py_INCREF(values);
    PyObject *kept = key == NULL ? NULL : kept_of(state, values);
    result = put_owned_pairs(w, values, kept, key, put_one, with);
    Py_XDECREF(kept);
    Py_DECREF(values);
    return result;
}

static int put_attribute(void *tag, Writer *w, PyObject *key, PyObject *value)
{
    return put_pair(w, *(unsigned char *)tag, key, value);
}

static int put_attributes(State *state, Writer *w, PyObject *tag, PyObject *values) /* may run Python code */
{
    return put_pairs(state, w, values, tag, put_attribute, PyBytes_AS_STRING(tag));
}

/* ---- spans and log records */

static int put_kind(State *state, Writer *w, PyObject *kind)
{
    for (int i = 0; i < MAX_KINDS && state->kinds[i] != NULL; i++)
        if (state->kinds[i] == kind) {
            unsigned char bytes[] = {0x30, (unsigned char)(state->kind_values[i] + 1)};
            return put(w, bytes, 2);
        }
    return DECLINED;
}

/* An attribute that is True or False, of any object at all; DECLINED if it is not. May run Python code. */
static int ask(PyObject *object, PyObject *name, int *answer)
{
    PyObject *found = PyObject_GetAttr(object, name);
    if (found == NULL)
        return declined();
    int result = PyBool_Check(found) ? DONE : DECLINED;
    *answer = found == Py_True;
    Py_DECREF(found);
    return result;
}

/* Has it none of what exporter/spans.py calls its rest? And was its parent in another process? May run Python code. */
static int ask_span(State *state, const Layout *layout, PyObject *span, int *remote)
{
    uint64_t parent_id;
    int more = 0, result = ask(span, state->has_more, &more);
    *remote = 0;
    if (result != DONE || more)
        return result == DONE ? DECLINED : result;
    if (!Py_IS_TYPE(span, layout->type) || unsigned_of(slot(span, layout, S_PARENT_ID), &parent_id))
        return DECLINED;
    PyObject *is_root = slot(span, layout, S_IS_ROOT), *parent = slot(span, layout, S_PARENT);
    if (!parent_id || is_root == Py_False)
        return DONE;
    if (is_root != Py_True || parent == NULL)
        return DECLINED;
    Py_INCREF(parent);
    result = ask(parent, state->is_remote, remote);
    Py_DECREF(parent);
    return result == DONE && !Py_IS_TYPE(span, layout->type) ? DECLINED : result;
}

static int put_span(State *state, const Layout *layout, Writer *w, PyObject *span) /* may run Python code */
{
    uint64_t id, parent, started, ended, flags;
    unsigned char head[59] = {0x0a, 16}, *to = head + 18;
    int remote, result = ask_span(state, layout, span, &remote); /* first: what is read below is used at once */
    if (result != DONE)
        return result;
    if (trace_id_of(slot(span, layout, S_TRACE_ID), head + 2)
        || unsigned_of(slot(span, layout, S_SPAN_ID), &id) || unsigned_of(slot(span, layout, S_PARENT_ID), &parent)
        || unsigned_of(slot(span, layout, S_START), &started) || unsigned_of(slot(span, layout, S_END), &ended)
        || unsigned_of(slot(span, layout, S_FLAGS), &flags) || flags > UINT32_MAX)
        return DECLINED;
    flags |= remote ? 0x300 : 0x100;
    *to++ = 0x12, *to++ = 8;
    big_bytes(to, id), to += 8;
    if (parent) {
        *to++ = 0x22, *to++ = 8;
        big_bytes(to, parent), to += 8;
    }
    *to++ = 0x39;
    fixed_bytes(to, started, 8), to += 8;
    *to++ = 0x41;
    fixed_bytes(to, ended, 8), to += 8;
    unsigned char tail[6] = {0x85, 0x01};
    fixed_bytes(tail + 2, flags, 4);
    result = put(w, head, (size_t)(to - head));
    if (result == DONE)
        result = put_text_field(w, 0x2a, slot(span, layout, S_NAME));
    if (result == DONE)
        result = put_kind(state, w, slot(span, layout, S_KIND));
    if (result == DONE)
        result = put_attributes(state, w, state->span_tag, slot(span, layout, S_ATTRIBUTES));
    return result == DONE ? put(w, tail, sizeof tail) : result;
}

static int put_body(Writer *w, PyObject *body)
{
    Py_ssize_t start = begin(w, 0x2a);
    int result = start < 0 ? FAILED : put_text_field(w, 0x0a, body);
    return result == DONE ? finish(w, start) : result;
}

static int put_context(Writer *w, const unsigned char *trace_id, PyObject *span_id, PyObject *trace_flags)
{
    uint64_t id;
    unsigned char bytes[33] = {0x4a, 16};
    if (unsigned_of(span_id, &id) || trace_flags == NULL || !PyLong_Check(trace_flags)) /* they are `TraceFlags` */
        return DECLINED;
    int overflow;
    long long flags = PyLong_AsLongLongAndOverflow(trace_flags, &overflow);
    if (overflow || flags < 0 || flags > UINT32_MAX)
        return DECLINED;
    memcpy(bytes + 2, trace_id, 16);
    bytes[18] = 0x52, bytes[19] = 8;
    big_bytes(bytes + 20, id);
    bytes[28] = 0x45;
    fixed_bytes(bytes + 29, (uint64_t)flags, 4);
    return put(w, bytes, sizeof bytes);
}

static int put_log(State *state, const Layout *layout, Writer *w, PyObject *record) /* may run Python code */
{
    uint64_t time, number;
    unsigned char head[20] = {0x09}, trace_id[16];
    if (unsigned_of(slot(record, layout, L_TIME), &time) || unsigned_of(slot(record, layout, L_NUMBER), &number)
        || number > 127 || trace_id_of(slot(record, layout, L_TRACE_ID), trace_id))
        return DECLINED;
    fixed_bytes(head + 1, time, 8);
    head[9] = 0x59;
    fixed_bytes(head + 10, time, 8);
    head[18] = 0x10, head[19] = (unsigned char)number;
    int result = put(w, head, sizeof head);
    if (result == DONE)
        result = put_text_field(w, 0x1a, slot(record, layout, L_LEVEL));
    if (result == DONE)
        result = put_body(w, slot(record, layout, L_BODY));
    if (result == DONE)
        result = put_attributes(state, w, state->log_tag, slot(record, layout, L_FIELDS));
    if (result == DONE)
        result = put_attributes(state, w, state->log_tag, slot(record, layout, L_ATTRIBUTES));
    if (result == DONE && !is_zero(trace_id, 16))
        result = put_context(w, trace_id, slot(record, layout, L_SPAN_ID), slot(record, layout, L_FLAGS));
    PyObject *event = slot(record, layout, L_EVENT);
    if (result != DONE || event == Py_None)
        return result;
    if (event == NULL || !PyUnicode_CheckExact(event))
        return DECLINED;
    return PyUnicode_GET_LENGTH(event) ? put_text_field(w, 0x62, event) : DONE;
}

/* ---- a batch */

typedef struct {
    Layout **last;
    const char *const *names;
    int count;
    PyObject *key; /* by what items are grouped: the first slot */
    int (*put)(State *, const Layout *, Writer *, PyObject *);
} Signal;

static inline Writer borrow(State *state) /* whoever comes meanwhile begins with none */
{
    Writer w = state->spare;
    state->spare = (Writer){NULL, 0, 0};
    w.size = 0;
    return w;
}

static void give_back(State *state, Writer *w)
{
    if (state->spare.data != NULL || w->room > MAX_SPARE)
        PyMem_Free(w->data);
    else
        state->spare = *w;
}

static int put_by_twin(Writer *w, PyObject *twin, PyObject *item) /* may run Python code */
{
    PyObject *made = PyObject_CallFunctionObjArgs(twin, item, NULL);
    if (made == NULL)
        return FAILED;
    int result = PyBytes_Check(made) ? put_bytes(w, made) : FAILED;
    if (!PyBytes_Check(made))
        PyErr_SetString(PyExc_TypeError, "an encoder gives bytes");
    Py_DECREF(made);
    return result;
}

/* The item as a field of its batch's scope; returns by what it is grouped. May run Python code. */
static PyObject *put_item(State *state, const Signal *signal, Writer *w, PyObject *item, PyObject *twin)
{
    w->size = 0;
    Py_ssize_t start = begin(w, 0x12);
    Layout *layout = start < 0 ? NULL : layout_of(signal->last, Py_TYPE(item), signal->names, signal->count);
    if (layout == NULL)
        return NULL;
    PyObject *key = NULL;
    int result = layout->offsets[0] ? signal->put(state, layout, w, item) : DECLINED;
    if (result == DECLINED) {
        w->size = (size_t)start;
        result = put_by_twin(w, twin, item);
    }
    if (result == DONE && finish(w, start) == DONE) {
        key = layout->offsets[0] && Py_IS_TYPE(item, layout->type) ? slot(item, layout, 0) : NULL;
        key = key != NULL ? Py_NewRef(key) : PyObject_GetAttr(item, signal->key);
    }
    release(layout);
    return key;
}

static PyObject *group_of(PyObject *groups, PyObject *key) /* a new reference; may run Python code */
{
    PyObject *found = PyDict_GetItemWithError(groups, key);
    if (found != NULL) {
        Py_INCREF(found);
    } else if (!PyErr_Occurred()) {
        found = PyByteArray_FromStringAndSize(NULL, 0);
        if (found != NULL && PyDict_SetItem(groups, key, found) < 0)
            Py_CLEAR(found);
    }
    if (found != NULL && !PyByteArray_Check(found)) {
        PyErr_SetString(PyExc_TypeError, "a group is a bytearray");
        Py_CLEAR(found);
    }
    return found;
}

static int append(PyObject *group, const Writer *w)
{
    Py_ssize_t before = PyByteArray_GET_SIZE(group);
    if (PyByteArray_Resize(group, before + (Py_ssize_t)w->size) < 0)
        return FAILED;
    memcpy(PyByteArray_AS_STRING(group) + before, w->data, w->size);
    return DONE;
}

static PyObject *add(State *state, const Signal *signal, PyObject *const *arguments, Py_ssize_t count)
{
    if (count != 3 || !PyDict_Check(arguments[0])) {
        PyErr_SetString(PyExc_TypeError, "takes the groups (a dict), items and their encoder");
        return NULL;
    }
    PyObject *items = PyObject_GetIter(arguments[1]), *item, *last = NULL, *group = NULL;
    if (items == NULL)
        return NULL;
    Writer w = borrow(state);
    while ((item = PyIter_Next(items)) != NULL) {
        PyObject *key = put_item(state, signal, &w, item, arguments[2]);
        Py_DECREF(item);
        if (key == NULL)
            break;
        if (key != last) /* most items come beside others of their scope */
            Py_XSETREF(group, group_of(arguments[0], key));
        Py_XSETREF(last, key);
        if (group == NULL || append(group, &w) < 0)
            break;
    }
    give_back(state, &w);
    Py_DECREF(items);
    Py_XDECREF(last);
    Py_XDECREF(group);
    if (PyErr_Occurred())
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *add_spans(PyObject *module, PyObject *const *arguments, Py_ssize_t count)
{
    State *state = PyModule_GetState(module);
    Signal signal = {&state->spans, SPAN_SLOTS, S_COUNT, state->tracer, put_span};
    return add(state, &signal, arguments, count);
}

static PyObject *add_logs(PyObject *module, PyObject *const *arguments, Py_ssize_t count)
{
    State *state = PyModule_GetState(module);
    Signal signal = {&state->logs, LOG_SLOTS, L_COUNT, state->scope, put_log};
    return add(state, &signal, arguments, count);
}

/* ---- lines of JSON */

typedef struct {
    PyObject_HEAD
    PyObject *twin, *tail, *shorts, *ambiguous;
    PyObject *names; /* by key: whether it is ambiguous, as one byte, and its name as it is written */
} Lines;

static int put_quoted(Writer *w, PyObject *text)
{
    int result = put(w, "\"", 1);
    if (result == DONE)
        result = put_text(w, text, 1);
    return result == DONE ? put(w, "\"", 1) : result;
}

static int put_json(Writer *w, PyObject *value, int depth);

static int put_json_list(Writer *w, PyObject *list, int depth)
{
    if (depth >= MAX_DEPTH)
        return DECLINED;
    int result = put(w, "[", 1);
    for (Py_ssize_t i = 0; result == DONE && i < PySequence_Fast_GET_SIZE(list); i++) {
        if (i && put(w, ",", 1) < 0)
            return FAILED;
        result = put_json(w, PySequence_Fast_GET_ITEM(list, i), depth + 1);
    }
    return result == DONE ? put(w, "]", 1) : result;
}

static int put_json_float(Writer *w, PyObject *value)
{
    double number = PyFloat_AS_DOUBLE(value);
    if (!isfinite(number))
        return DECLINED;
    char *text = PyOS_double_to_string(number, 'r', 0, Py_DTSF_ADD_DOT_0, NULL);
    int result = text == NULL ? FAILED : put(w, text, strlen(text));
    PyMem_Free(text);
    return result;
}

static int put_json_integer(Writer *w, PyObject *value)
{
    int overflow;
    long long number = PyLong_AsLongLongAndOverflow(value, &overflow);
    if (overflow)
        return DECLINED;
    char digits[20], *at = digits + sizeof digits;
    unsigned long long left = number < 0 ? 0 - (unsigned long long)number : (unsigned long long)number;
    do
        *--at = (char)('0' + left % 10);
    while (left /= 10);
    if (number < 0)
        *--at = '-';
    return put(w, at, (size_t)(digits + sizeof digits - at));
}

static int put_json(Writer *w, PyObject *value, int depth)
{
    if (PyUnicode_CheckExact(value))
        return put_quoted(w, value);
    if (PyLong_CheckExact(value))
        return put_json_integer(w, value);
    if (PyFloat_CheckExact(value))
        return put_json_float(w, value);
    if (PyBool_Check(value))
        return value == Py_True ? put(w, "true", 4) : put(w, "false", 5);
    if (value == Py_None)
        return put(w, "null", 4);
    return PyTuple_CheckExact(value) || PyList_CheckExact(value) ? put_json_list(w, value, depth) : DECLINED;
}

static PyObject *new_name(Lines *lines, PyObject *key)
{
    PyObject *name = PyDict_GetItemWithError(lines->shorts, key), *made = NULL;
    int ambiguous = name == NULL && PyErr_Occurred() ? FAILED : PySet_Contains(lines->ambiguous, key);
    Writer w = {NULL, 0, 0};
    if (ambiguous >= 0 && put(&w, ambiguous ? "\1," : "\0,", 2) == DONE
        && put_quoted(&w, name == NULL ? key : name) == DONE && put(&w, ":", 1) == DONE)
        made = PyBytes_FromStringAndSize((char *)w.data, (Py_ssize_t)w.size);
    if (made != NULL && w.size <= MAX_KEPT_NAME && PyDict_GET_SIZE(lines->names) < MAX_NAMES
        && PyDict_SetItem(lines->names, key, made) < 0)
        Py_CLEAR(made);
    PyMem_Free(w.data);
    return made;
}

static int put_json_pair(Lines *lines, Writer *w, PyObject *key, PyObject *value, int may_be_ambiguous)
{
    if (!PyUnicode_CheckExact(key))
        return DECLINED;
    PyObject *name = PyDict_GetItemWithError(lines->names, key);
    if (name == NULL && PyErr_Occurred())
        return FAILED;
    Py_XINCREF(name);
    if (name == NULL)
        name = new_name(lines, key);
    if (name == NULL)
        return PyErr_Occurred() ? FAILED : DECLINED;
    const char *text = PyBytes_AS_STRING(name);
    int result = text[0] && !may_be_ambiguous ? DECLINED : put(w, text + 1, (size_t)PyBytes_GET_SIZE(name) - 1);
    Py_DECREF(name);
    return result == DONE ? put_json(w, value, 0) : result;
}

static int put_json_field(void *lines, Writer *w, PyObject *key, PyObject *value)
{
    return put_json_pair(lines, w, key, value, 1);
}

static int put_json_attribute(void *lines, Writer *w, PyObject *key, PyObject *value)
{
    return put_json_pair(lines, w, key, value, 0);
}

static int put_json_fields(State *state, Lines *lines, Writer *w, PyObject *values) /* may run Python code */
{
    return put_pairs(state, w, values, NULL, put_json_field, lines);
}

static int put_json_attributes(State *state, Lines *lines, Writer *w, PyObject *values) /* may run Python code */
{
    return put_pairs(state, w, values, (PyObject *)lines, put_json_attribute, lines);
}

static int64_t days_before(int64_t year) /* from 1970-01-01 to the first day of a year */
{
    int64_t years = year - 1;
    return years * 365 + years / 4 - years / 100 + years / 400 - 719162;
}

static void put_digits(unsigned char *to, int count, int64_t number)
{
    while (count) {
        to[--count] = (unsigned char)('0' + number % 10);
        number /= 10;
    }
}

static int put_timestamp(Writer *w, uint64_t nanos)
{
    static const unsigned char LENGTHS[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int64_t seconds = (int64_t)(nanos / 1000000000), days = seconds / 86400, year = 1970 + days / 366;
    while (days_before(year + 1) <= days)
        year++;
    days -= days_before(year);
    int leap = days_before(year + 1) - days_before(year) == 366, month = 0, length;
    for (; days >= (length = LENGTHS[month] + (month == 1 && leap)); month++)
        days -= length;
    unsigned char text[] = "0000-00-00T00:00:00.000Z";
    put_digits(text, 4, year);
    put_digits(text + 5, 2, month + 1);
    put_digits(text + 8, 2, days + 1);
    put_digits(text + 11, 2, seconds / 3600 % 24);
    put_digits(text + 14, 2, seconds / 60 % 60);
    put_digits(text + 17, 2, seconds % 60);
    put_digits(text + 20, 3, (int64_t)(nanos / 1000000 % 1000));
    return put(w, text, sizeof text - 1);
}

static int put_ids(Writer *w, const unsigned char *trace_id, PyObject *span_id)
{
    unsigned char text[] = ",\"trace_id\":\"00000000000000000000000000000000\",\"span_id\":\"0000000000000000\"";
    uint64_t id;
    if (unsigned_of(span_id, &id))
        return DECLINED;
    for (int i = 0; i < 32; i++)
        text[13 + i] = (unsigned char)HEX[trace_id[i / 2] >> (i % 2 ? 0 : 4) & 15];
    for (int i = 15; i >= 0; i--, id >>= 4)
        text[58 + i] = (unsigned char)HEX[id & 15];
    return put(w, text, sizeof text - 1);
}

/* May run Python code. */
static int put_line(State *state, const Layout *layout, Lines *lines, Writer *w, PyObject *record)
{
    uint64_t time;
    unsigned char trace_id[16];
    if (unsigned_of(slot(record, layout, L_TIME), &time) || trace_id_of(slot(record, layout, L_TRACE_ID), trace_id))
        return DECLINED;
#define STEP(call) if ((result = (call)) != DONE) return result
    int result;
    STEP(put(w, "{\"timestamp\":\"", 14));
    STEP(put_timestamp(w, time));
    STEP(put(w, "\",\"level\":", 10));
    STEP(put_quoted(w, slot(record, layout, L_LEVEL)));
    STEP(put(w, ",\"logger\":", 10));
    STEP(put_quoted(w, slot(record, layout, L_SCOPE)));
    STEP(put(w, ",\"message\":", 11));
    STEP(put_quoted(w, slot(record, layout, L_BODY)));
    if (!is_zero(trace_id, 16))
        STEP(put_ids(w, trace_id, slot(record, layout, L_SPAN_ID)));
    STEP(put_json_fields(state, lines, w, slot(record, layout, L_FIELDS)));
    STEP(put_bytes(w, lines->tail));
    STEP(put_json_attributes(state, lines, w, slot(record, layout, L_ATTRIBUTES)));
    return put(w, "}\n", 2);
#undef STEP
}

static PyObject *lines_render(PyObject *self, PyObject *record)
{
    State *state = PyType_GetModuleState(Py_TYPE(self));
    Lines *lines = (Lines *)self;
    Layout *layout = state == NULL ? NULL : layout_of(&state->logs, Py_TYPE(record), LOG_SLOTS, L_COUNT);
    if (layout == NULL)
        return NULL;
    Writer w = borrow(state);
    PyObject *made = NULL;
    int result = layout->offsets[0] ? put_line(state, layout, lines, &w, record) : DECLINED;
    if (result == DONE)
        made = PyBytes_FromStringAndSize((char *)w.data, (Py_ssize_t)w.size);
    give_back(state, &w);
    release(layout);
    return result == DECLINED ? PyObject_CallFunctionObjArgs(lines->twin, record, NULL) : made;
}

static int are_texts(PyObject *shorts, PyObject *ambiguous) /* exact ones: to look one up runs no Python code */
{
    Py_ssize_t at = 0;
    PyObject *key, *name, *each = PySequence_List(ambiguous);
    int all = each != NULL;
    while (PyDict_Next(shorts, &at, &key, &name))
        all &= PyUnicode_CheckExact(key) && PyUnicode_CheckExact(name);
    for (Py_ssize_t i = 0; all && i < PyList_GET_SIZE(each); i++)
        all = PyUnicode_CheckExact(PyList_GET_ITEM(each, i));
    Py_XDECREF(each);
    if (!all && !PyErr_Occurred())
        PyErr_SetString(PyExc_TypeError, "names are exact texts");
    return all;
}

static PyObject *lines_new(PyTypeObject *type, PyObject *arguments, PyObject *names)
{
    PyObject *twin, *tail, *shorts, *ambiguous;
    if (names != NULL && PyDict_GET_SIZE(names)) {
        PyErr_SetString(PyExc_TypeError, "Lines takes no keywords");
        return NULL;
    }
    if (!PyArg_ParseTuple(arguments, "OSO!O!:Lines", &twin, &tail, &PyDict_Type, &shorts, &PyFrozenSet_Type,
                          &ambiguous))
        return NULL;
    Lines *made = (Lines *)type->tp_alloc(type, 0);
    if (made == NULL)
        return NULL;
    made->twin = Py_NewRef(twin);
    made->tail = Py_NewRef(tail);
    made->shorts = PyDict_Copy(shorts); /* what nobody else has nobody changes */
    made->ambiguous = PyFrozenSet_New(ambiguous);
    made->names = PyDict_New();
    if (made->shorts == NULL || made->ambiguous == NULL || made->names == NULL
        || !are_texts(made->shorts, made->ambiguous))
        Py_CLEAR(made);
    return (PyObject *)made;
}

/* There is no `tp_clear`, as a tuple has none: what it refers to is there before it, and is never another. */
static int lines_traverse(PyObject *self, visitproc visit, void *arg)
{
    Lines *lines = (Lines *)self;
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(lines->twin);
    Py_VISIT(lines->tail);
    Py_VISIT(lines->shorts);
    Py_VISIT(lines->ambiguous);
    Py_VISIT(lines->names);
    return 0;
}

static void lines_dealloc(PyObject *self)
{
    Lines *lines = (Lines *)self;
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    Py_XDECREF(lines->twin);
    Py_XDECREF(lines->tail);
    Py_XDECREF(lines->shorts);
    Py_XDECREF(lines->ambiguous);
    Py_XDECREF(lines->names);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyMethodDef LINES_METHODS[] = {
    {"render", lines_render, METH_O, "The record as a line with its newline."},
    {NULL, NULL, 0, NULL},
};
static PyType_Slot LINES_SLOTS[] = {
    {Py_tp_doc, "Renders log records as lines of JSON."},
    {Py_tp_new, lines_new},
    {Py_tp_dealloc, lines_dealloc},
    {Py_tp_traverse, lines_traverse},
    {Py_tp_methods, LINES_METHODS},
    {0, NULL},
};
static PyType_Spec LINES_SPEC = {
    "_otel_distro_native.Lines", sizeof(Lines), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC, LINES_SLOTS,
};

/* ---- the module */

static PyObject *attribute(const char *module, const char *name)
{
    PyObject *imported = PyImport_ImportModule(module);
    PyObject *found = imported == NULL ? NULL : PyObject_GetAttrString(imported, name);
    Py_XDECREF(imported);
    return found;
}

static int find_kinds(State *state)
{
    PyObject *kinds = attribute("opentelemetry.trace", "SpanKind");
    PyObject *members = kinds == NULL ? NULL : PySequence_List(kinds);
    Py_XDECREF(kinds);
    if (members == NULL)
        return FAILED;
    int result = DONE;
    for (Py_ssize_t i = 0; result == DONE && i < PyList_GET_SIZE(members) && i < MAX_KINDS; i++) {
        PyObject *member = PyList_GET_ITEM(members, i), *value = PyObject_GetAttrString(member, "value");
        long number = value == NULL ? -1 : PyLong_AsLong(value);
        Py_XDECREF(value);
        if (number < 0 || number > 126)
            result = FAILED;
        state->kinds[i] = Py_NewRef(member);
        state->kind_values[i] = (unsigned char)number;
    }
    Py_DECREF(members);
    return result;
}

static int module_exec(PyObject *module)
{
    State *state = PyModule_GetState(module);
    if ((state->exact = attribute("otel_distro.record", "Exact")) == NULL
        || (state->fixed = attribute("otel_distro.record", "Fixed")) == NULL
        || !PyType_Check(state->exact) || !PyType_Check(state->fixed) || find_kinds(state) < 0)
        goto failed;
    if ((state->kept = offset_of((PyTypeObject *)state->fixed, "kept")) <= 0)
        goto failed;
    if ((state->span_tag = PyBytes_FromStringAndSize("\x4a", 1)) == NULL
        || (state->log_tag = PyBytes_FromStringAndSize("\x32", 1)) == NULL
        || (state->has_more = PyUnicode_InternFromString("has_more")) == NULL
        || (state->is_remote = PyUnicode_InternFromString("is_remote")) == NULL
        || (state->tracer = PyUnicode_InternFromString(SPAN_SLOTS[S_TRACER])) == NULL
        || (state->scope = PyUnicode_InternFromString(LOG_SLOTS[L_SCOPE])) == NULL)
        goto failed;
    PyObject *lines = PyType_FromModuleAndSpec(module, &LINES_SPEC, NULL);
    int result = lines == NULL ? FAILED : PyModule_AddType(module, (PyTypeObject *)lines);
    Py_XDECREF(lines);
    if (result < 0 || PyModule_AddIntConstant(module, "INTERFACE", INTERFACE) < 0)
        return FAILED;
    return PyModule_AddStringConstant(module, "SOURCE", SOURCE);
failed:
    if (!PyErr_Occurred())
        PyErr_SetString(PyExc_ImportError, "the classes of otel_distro are not those that this was written for");
    return FAILED;
}

/* There is no `m_clear` either: whoever calls in here at the end of the interpreter still finds all that it needs. */
static int module_traverse(PyObject *module, visitproc visit, void *arg)
{
    State *state = PyModule_GetState(module);
    Py_VISIT(state->exact);
    Py_VISIT(state->fixed);
    for (int i = 0; i < MAX_KINDS; i++)
        Py_VISIT(state->kinds[i]);
    if (state->spans != NULL)
        Py_VISIT(state->spans->type);
    if (state->logs != NULL)
        Py_VISIT(state->logs->type);
    return 0;
}

static void module_free(void *module)
{
    State *state = PyModule_GetState(module);
    release(state->spans);
    release(state->logs);
    Py_XDECREF(state->exact);
    Py_XDECREF(state->fixed);
    Py_XDECREF(state->span_tag);
    Py_XDECREF(state->log_tag);
    Py_XDECREF(state->has_more);
    Py_XDECREF(state->is_remote);
    Py_XDECREF(state->tracer);
    Py_XDECREF(state->scope);
    for (int i = 0; i < MAX_KINDS; i++)
        Py_XDECREF(state->kinds[i]);
    PyMem_Free(state->spare.data);
}

static PyMethodDef METHODS[] = {
    {"add_spans", (PyCFunction)(void (*)(void))add_spans, METH_FASTCALL, "Encode spans into the groups of a batch."},
    {"add_logs", (PyCFunction)(void (*)(void))add_logs, METH_FASTCALL, "Encode records into the groups of a batch."},
    {NULL, NULL, 0, NULL},
};
static PyModuleDef_Slot MODULE_SLOTS[] = {{Py_mod_exec, module_exec}, {0, NULL}};
static PyModuleDef MODULE = {
    PyModuleDef_HEAD_INIT, "_otel_distro_native", "The encoders of the hot path; see otel_distro.native.",
    sizeof(State), METHODS, MODULE_SLOTS, module_traverse, NULL, module_free,
};

PyMODINIT_FUNC PyInit__otel_distro_native(void)
{
    return PyModuleDef_Init(&MODULE);
}
