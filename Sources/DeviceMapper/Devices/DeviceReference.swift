/// A block device as an argument of a table: the path of its node, or its number. The kernel
/// takes both and prints numbers.
package enum DeviceReference: Hashable, Sendable {
    case path(String)
    case number(DeviceNumber)

    /// What a table's text says; text that is not a number is a path.
    init(text: String) {
        self = DeviceNumber(text: text).map { .number($0) } ?? .path(text)
    }

    var text: String {
        switch self {
        case .path(let path): path
        case .number(let number): number.description
        }
    }
}
