"""Text as HTTP/2 writes it into its headers: RFC 7541, appendix B, for the letters of a gRPC method's path."""

CODES = {
    letter: (first + place, length)
    for first, length, letters in (
        (0x00, 5, "012aceiost"),
        (0x14, 6, " %-./3456789=A_bdfghlmnpru"),
        (0x5C, 7, ":BCDEFGHIJKLMNOPQRSTUVWYjkqvwxyz"),
    )
    for place, letter in enumerate(letters)
}
"""Letters and their like. Codes of one length follow one another in the order of the alphabet."""


def encoded(text: str) -> bytes:
    """The text's bytes; the last one is filled up with ones."""
    bits = "".join(f"{code:0{length}b}" for code, length in (CODES[letter] for letter in text))
    bits += "1" * (-len(bits) % 8)
    return int(bits, 2).to_bytes(len(bits) // 8, "big")
