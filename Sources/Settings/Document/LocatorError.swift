/// Why the locator stopped.
struct LocatorError: Error, Hashable {
    var message: String
    /// The byte where it did.
    var offset: Int
}

/// A key that is given a second time.
struct DuplicateKey: Hashable {
    var path: [String]
    var firstOffset: Int
    var secondOffset: Int
}
