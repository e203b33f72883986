internal import DeviceMapper

/// Who has a device open, in words.
struct Holders {
    private let list: [DeviceHolder]

    init(of number: DeviceNumber) { list = DeviceHolder.list(of: number) }

    var text: String {
        list.isEmpty
            ? "open somewhere" : list.map(\.description).joined(separator: ", ")
    }

    /// Where it is mounted; nil when it is not.
    var mountPoint: String? {
        for case .mount(let point, _) in list { return point }
        return nil
    }
}
