internal import CBus
internal import Glibc

/// A message of D-Bus. Used by the thread that has its connection.
final class BusMessage {
    let pointer: OpaquePointer

    /// How many values are read of one at most: anybody may send some.
    private static let valuesMaximum = 20_000

    /// Takes over a reference.
    init(owning pointer: OpaquePointer) { self.pointer = pointer }

    /// Takes a reference of its own.
    convenience init(sharing pointer: OpaquePointer) {
        self.init(owning: sd_bus_message_ref(pointer) ?? pointer)
    }

    deinit { sd_bus_message_unref(pointer) }

    var sender: String? { Self.text(sd_bus_message_get_sender(pointer)) }
    var path: String { Self.text(sd_bus_message_get_path(pointer)) ?? "" }
    var interface: String? { Self.text(sd_bus_message_get_interface(pointer)) }
    var member: String { Self.text(sd_bus_message_get_member(pointer)) ?? "" }
    var signature: String { Self.text(sd_bus_message_get_signature(pointer, 1)) ?? "" }
    var isCall: Bool { sd_bus_message_is_method_call(pointer, nil, nil) > 0 }
    var expectsReply: Bool { sd_bus_message_get_expect_reply(pointer) > 0 }
    /// Whether its sender may be asked for a password.
    var allowsInteraction: Bool {
        sd_bus_message_get_allow_interactive_authorization(pointer) > 0
    }

    /// The error that an answer is; nil when it is none.
    var failure: BusError? {
        guard sd_bus_message_is_method_error(pointer, nil) > 0,
            let error = sd_bus_message_get_error(pointer)
        else { return nil }
        return BusError(
            Self.text(error.pointee.name) ?? BusError.failed,
            Self.text(error.pointee.message) ?? "it says no more")
    }

    private static func text(_ pointer: UnsafePointer<CChar>?) -> String? {
        pointer.map { String(cString: $0) }
    }
}

// MARK: - Reading

extension BusMessage {
    /// All values of it; nil when it is damaged, or has too many.
    func values() -> [BusValue]? {
        guard sd_bus_message_rewind(pointer, 1) >= 0 else { return nil }
        var budget = Self.valuesMaximum
        return readAll(&budget)
    }

    /// The values up to the end of a container.
    private func readAll(_ budget: inout Int) -> [BusValue]? {
        var values: [BusValue] = []
        while true {
            var (type, contents): (CChar, UnsafePointer<CChar>?) = (0, nil)
            let result = sd_bus_message_peek_type(pointer, &type, &contents)
            guard result >= 0 else { return nil }
            guard result > 0 else { return values }
            guard budget > 0 else { return nil }
            budget -= 1
            guard let value = read(UInt8(bitPattern: type), contents, &budget) else { return nil }
            values.append(value)
        }
    }

    private func read(
        _ type: UInt8, _ contents: UnsafePointer<CChar>?, _ budget: inout Int
    ) -> BusValue? {
        switch type {
        case UInt8(ascii: "a"), UInt8(ascii: "r"), UInt8(ascii: "e"), UInt8(ascii: "v"):
            readContainer(type, contents, &budget)
        case UInt8(ascii: "s"), UInt8(ascii: "o"), UInt8(ascii: "g"): readText(type)
        default: readNumber(type)
        }
    }

    private func readContainer(
        _ type: UInt8, _ contents: UnsafePointer<CChar>?, _ budget: inout Int
    ) -> BusValue? {
        let element = Self.text(contents) ?? ""
        guard sd_bus_message_enter_container(pointer, CChar(bitPattern: type), contents) > 0,
            let values = readAll(&budget), sd_bus_message_exit_container(pointer) >= 0
        else { return nil }
        switch type {
        case UInt8(ascii: "a"): return .array(of: element, values)
        case UInt8(ascii: "r"): return .structure(values)
        case UInt8(ascii: "e"):
            return values.count == 2 ? .entry(values[0], values[1]) : nil
        default: return values.first.map { .variant($0) }
        }
    }

    private func readText(_ type: UInt8) -> BusValue? {
        var text: UnsafePointer<CChar>?
        guard sd_bus_message_read_basic(pointer, CChar(bitPattern: type), &text) > 0,
            let value = Self.text(text)
        else { return nil }
        return type == UInt8(ascii: "o") ? .path(value) : .string(value)
    }

    private func readNumber(_ type: UInt8) -> BusValue? {
        switch type {
        case UInt8(ascii: "y"): number(type).map { .byte($0) }
        case UInt8(ascii: "b"): number(type).map { (flag: Int32) in .bool(flag != 0) }
        case UInt8(ascii: "i"): number(type).map { .int32($0) }
        case UInt8(ascii: "u"): number(type).map { .uint32($0) }
        case UInt8(ascii: "n"): number(type).map { (number: Int16) in .int32(Int32(number)) }
        case UInt8(ascii: "q"): number(type).map { (number: UInt16) in .uint32(UInt32(number)) }
        case UInt8(ascii: "x"): number(type).map { .int64($0) }
        case UInt8(ascii: "t"): number(type).map { .uint64($0) }
        case UInt8(ascii: "d"): number(type).map { .double($0) }
        case UInt8(ascii: "h"): number(type).map { .descriptor($0) }
        default: nil
        }
    }

    private func number<Number: BitwiseCopyable & ExpressibleByIntegerLiteral>(
        _ type: UInt8
    ) -> Number? {
        var number: Number = 0
        return sd_bus_message_read_basic(pointer, CChar(bitPattern: type), &number) > 0
            ? number : nil
    }
}

// MARK: - Writing

extension BusMessage {
    /// Adds values; false when one of them cannot be said, such as a path that is none.
    func append(_ values: [BusValue]) -> Bool { values.allSatisfy(append) }

    private func append(_ value: BusValue) -> Bool {
        switch value {
        case .string(let text): append(text, "s")
        case .path(let text): append(text, "o")
        case .bool(let flag): append(Int32(flag ? 1 : 0), "b")
        case .byte(let number): append(number, "y")
        case .int32(let number): append(number, "i")
        case .uint32(let number): append(number, "u")
        case .int64(let number): append(number, "x")
        case .uint64(let number): append(number, "t")
        case .double(let number): append(number, "d")
        case .descriptor(let number): append(number, "h")
        case .array(let element, let values): append(values, in: "a", element)
        case .structure(let values):
            append(values, in: "r", values.map(\.signature).joined())
        case .entry(let key, let content):
            append([key, content], in: "e", key.signature + content.signature)
        case .variant(let content): append([content], in: "v", content.signature)
        }
    }

    private func append(_ values: [BusValue], in type: Character, _ contents: String) -> Bool {
        sd_bus_message_open_container(pointer, Self.code(type), contents) >= 0 && append(values)
            && sd_bus_message_close_container(pointer) >= 0
    }

    private func append(_ text: String, _ type: Character) -> Bool {
        // A text of D-Bus has no zeroes in it.
        text.withCString { sd_bus_message_append_basic(pointer, Self.code(type), $0) } >= 0
    }

    private func append<Number: BitwiseCopyable>(_ number: Number, _ type: Character) -> Bool {
        withUnsafeBytes(of: number) {
            sd_bus_message_append_basic(pointer, Self.code(type), $0.baseAddress)
        } >= 0
    }

    private static func code(_ type: Character) -> CChar {
        CChar(bitPattern: type.asciiValue ?? 0)
    }
}
