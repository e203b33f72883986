/// Why a text of the configuration, such as a span or a calendar, was not understood, and where.
package struct SyntaxError: Error, Hashable, Sendable, CustomStringConvertible {
    /// One sentence without a full stop, which names what was found.
    package let message: String
    /// Where in the text, in UTF-8 bytes from its start.
    package let offset: Int

    package init(_ message: String, offset: Int) {
        self.message = message
        self.offset = offset
    }

    package var description: String { message }
}
