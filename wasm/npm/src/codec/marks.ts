/**
 * What single bytes of keys and values say; `ENCODING.md` is the authority. Constants alone, one by one: so bundlers put them
 * where they are used.
 */

/** The longest key, in bytes. */
export const KEY_BYTES_MAX = 0xffff;
/** How deep arrays nest in a key. */
export const KEY_DEPTH_MAX = 64;

/** What the first byte of a key says. No UTF-8 begins with these, so that text needs no mark and is the command line's. */
export const KEY_NUMBER = 0xf8;
export const KEY_BYTES = 0xf9;
export const KEY_ARRAY = 0xfa;

/** What the byte before an element of an array says; in the order in which keys sort. */
export const ELEMENTS_END = 0;
export const TEXT_ELEMENT = 1;
export const NUMBER_ELEMENT = 2;
export const BYTES_ELEMENT = 3;
export const ARRAY_ELEMENT = 4;
/** Follows a zero byte that belongs to a text or to bytes: one alone ends them. Above every mark of an element. */
export const ESCAPE = 0xff;

/** What the first byte of a value says, where it is no text. */
export const VALUE_BYTES = 0xf9;
export const VALUE_ITEM = 0xfa;
/** The byte that follows `VALUE_ITEM`. Another layout gets another number, and this one is read for ever. */
export const ITEM_VERSION = 1;

/** How deep objects nest in a value. */
export const VALUE_DEPTH_MAX = 1000;
/** Of a text whose length is in its tag, in bytes. */
export const SHORT_TEXT_MAX = 63;

/** What the first byte of an item says. From `TAG_SHORT_TEXT` on it is a text of that many bytes more, from `TAG_SMALL_INT` on that number. */
export const TAG_UNDEFINED = 0;
export const TAG_NULL = 1;
export const TAG_FALSE = 2;
export const TAG_TRUE = 3;
export const TAG_INT = 4;
export const TAG_FLOAT = 5;
export const TAG_BIG_POSITIVE = 6;
export const TAG_BIG_NEGATIVE = 7;
export const TAG_TEXT = 8;
export const TAG_UNITS = 9;
export const TAG_AGAIN = 10;
export const TAG_OBJECT = 11;
export const TAG_ARRAY = 12;
export const TAG_SPARSE_ARRAY = 13;
export const TAG_MAP = 14;
export const TAG_SET = 15;
export const TAG_DATE = 16;
export const TAG_REG_EXP = 17;
export const TAG_BOXED = 18;
export const TAG_ERROR = 19;
export const TAG_BUFFER = 20;
export const TAG_VIEW = 21;
export const TAG_SHORT_TEXT = 0x40;
export const TAG_SMALL_INT = 0x80;
