/// A promise that the engine broke: what a suite is looking for.
struct TortureFailure: Error {
    let message: String

    init(_ message: String) { self.message = message }
}

extension TortureFailure: CustomStringConvertible {
    var description: String { message }
}
