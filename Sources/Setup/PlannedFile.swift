/// A file that is to be there.
package struct PlannedFile: Hashable, Sendable {
    /// From the root.
    package var path: String
    package var text: String

    package init(path: String, text: String) {
        self.path = path
        self.text = text
    }
}
