extension Target {
    /// The target that a table's row names. Rows of known kinds with arguments that are not
    /// understood are kept word for word.
    package init(kind: String, arguments: [String]) {
        self = Self.known(kind, arguments) ?? .other(kind: kind, arguments: arguments)
    }

    private static func known(_ kind: String, _ arguments: [String]) -> Target? {
        switch (kind, arguments.count) {
        case ("linear", 2):
            guard let device = device(arguments[0]), let offset = Int(digits: arguments[1])
            else { return nil }
            return .linear(device: device, offset: offset)
        case ("snapshot-origin", 1):
            return device(arguments[0]).map { .snapshotOrigin($0) }
        case ("snapshot", 4), ("snapshot-merge", 4):
            guard let origin = device(arguments[0]), let exceptions = device(arguments[1]),
                let store = ExceptionStore(rawValue: arguments[2]),
                let chunkSectors = Int(digits: arguments[3])
            else { return nil }
            return kind == "snapshot"
                ? .snapshot(
                    origin: origin, exceptions: exceptions, chunkSectors: chunkSectors,
                    store: store)
                : .snapshotMerge(
                    origin: origin, exceptions: exceptions, chunkSectors: chunkSectors,
                    store: store)
        case ("zero", 0): return .zero
        case ("error", 0): return .error
        default: return nil
        }
    }

    private static func device(_ text: String) -> DeviceReference? {
        let reference = DeviceReference(text: text)
        return reference.isUsable ? reference : nil
    }

    /// Appends the arguments, separated by blanks; blanks and backslashes within one are escaped
    /// as the kernel's `dm_split_args` understands it.
    func appendArguments(to bytes: inout [UInt8]) {
        switch self {
        case .linear(let device, let offset):
            device.append(to: &bytes)
            bytes.append(UInt8(ascii: " "))
            bytes.append(number: offset)
        case .snapshotOrigin(let device):
            device.append(to: &bytes)
        case .snapshot(let origin, let exceptions, let chunkSectors, let store),
            .snapshotMerge(let origin, let exceptions, let chunkSectors, let store):
            origin.append(to: &bytes)
            bytes.append(UInt8(ascii: " "))
            exceptions.append(to: &bytes)
            bytes.append(UInt8(ascii: " "))
            bytes.append(contentsOf: store.rawValue.utf8)
            bytes.append(UInt8(ascii: " "))
            bytes.append(number: chunkSectors)
        case .zero, .error: break
        case .other(_, let arguments):
            for (index, argument) in arguments.enumerated() {
                if index > 0 { bytes.append(UInt8(ascii: " ")) }
                bytes.append(escaped: argument)
            }
        }
    }

    /// What is wrong with the arguments in themselves; nil if nothing is.
    var fault: String? {
        switch self {
        case .linear(let device, let offset):
            if offset < 0 { return "a linear target at the sector \(offset)" }
            return device.fault
        case .snapshotOrigin(let device): return device.fault
        case .snapshot(let origin, let exceptions, let chunkSectors, _),
            .snapshotMerge(let origin, let exceptions, let chunkSectors, _):
            if chunkSectors <= 0 || chunkSectors & (chunkSectors - 1) != 0 {
                return "chunks of \(chunkSectors) sectors, which is not a power of two"
            }
            return origin.fault ?? exceptions.fault
        case .zero, .error: return nil
        case .other(let kind, let arguments):
            // DM_MAX_TYPE_NAME, with the zero at the end.
            if !(1...15).contains(kind.utf8.count) || kind.utf8.contains(where: isBlank) {
                return "\"\(kind)\" is not a target's name"
            }
            return arguments.contains("") ? "an empty argument of \(kind)" : nil
        }
    }

    /// All devices that the arguments name, as far as the target is understood.
    var devices: [DeviceReference] {
        switch self {
        case .linear(let device, _), .snapshotOrigin(let device): [device]
        case .snapshot(let origin, let exceptions, _, _),
            .snapshotMerge(let origin, let exceptions, _, _):
            [origin, exceptions]
        case .zero, .error, .other: []
        }
    }

    /// The same target, with every device replaced.
    func replacingDevices<Failure: Error>(
        _ replace: (DeviceReference) throws(Failure) -> DeviceReference
    ) throws(Failure) -> Target {
        switch self {
        case .linear(let device, let offset):
            .linear(device: try replace(device), offset: offset)
        case .snapshotOrigin(let device): .snapshotOrigin(try replace(device))
        case .snapshot(let origin, let exceptions, let chunkSectors, let store):
            .snapshot(
                origin: try replace(origin), exceptions: try replace(exceptions),
                chunkSectors: chunkSectors, store: store)
        case .snapshotMerge(let origin, let exceptions, let chunkSectors, let store):
            .snapshotMerge(
                origin: try replace(origin), exceptions: try replace(exceptions),
                chunkSectors: chunkSectors, store: store)
        case .zero, .error, .other: self
        }
    }
}

extension DeviceReference {
    /// A path that is not absolute could be taken for something else.
    var isUsable: Bool {
        switch self {
        case .path(let path): path.hasPrefix("/")
        case .number: true
        }
    }

    fileprivate var fault: String? {
        isUsable ? nil : "\"\(text)\" is not a device: its path must be absolute"
    }

    fileprivate func append(to bytes: inout [UInt8]) {
        switch self {
        case .path(let path): bytes.append(escaped: path)
        case .number(let number):
            bytes.append(number: Int(number.major))
            bytes.append(UInt8(ascii: ":"))
            bytes.append(number: Int(number.minor))
        }
    }
}
