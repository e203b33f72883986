/// A number of bytes as people write and read it; in code, bytes are plain `Int`.
package struct ByteCount: Hashable, Sendable {
    package let bytes: Int

    package init(_ bytes: Int) { self.bytes = bytes }

    private static let units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"]

    /// Reads `4096`, `64K`, `64KiB`, `1.5 GiB`: units are binary, case does not matter; nil when it
    /// is not a size, is negative, is not a whole number of bytes, or is too large.
    package init?(_ text: String) {
        let trimmed = text.filter { $0 != " " && $0 != "_" }.uppercased()
        let number = trimmed.prefix { $0.isASCII && ($0.isNumber || $0 == ".") }
        var unit = String(trimmed.dropFirst(number.count))
        if unit.hasSuffix("IB") {
            unit.removeLast(2)
        } else if unit.hasSuffix("B") {
            unit.removeLast()
        }
        let powers = ["": 0, "K": 1, "M": 2, "G": 3, "T": 4, "P": 5, "E": 6]
        guard let power = powers[unit], !number.isEmpty else { return nil }
        let factor = 1 << (10 * power)
        if let whole = Int(number) {
            let (product, overflow) = whole.multipliedReportingOverflow(by: factor)
            guard !overflow else { return nil }
            bytes = product
            return
        }
        guard let value = Double(number) else { return nil }
        let product = value * Double(factor)
        guard product < 9e18, product == product.rounded() else { return nil }
        bytes = Int(product)
    }
}

extension ByteCount: CustomStringConvertible {
    /// At most one decimal, binary units: `512 B`, `64 KiB`, `1.5 GiB`.
    package var description: String {
        let magnitude = bytes.magnitude
        var unit = 0
        while unit + 1 < Self.units.count, magnitude >> (10 * unit) >= 1024 { unit += 1 }
        var tenths =
            unit == 0 ? magnitude * 10 : ((magnitude >> (10 * unit - 10)) * 10 + 512) / 1024
        // Judged after rounding, so that 1023.96 KiB reads 1 MiB and not 1024 KiB.
        if tenths >= 10_235, unit + 1 < Self.units.count {
            tenths = 10
            unit += 1
        }
        let sign = bytes < 0 ? "-" : ""
        let decimal = tenths % 10 == 0 ? "" : ".\(tenths % 10)"
        return "\(sign)\(tenths / 10)\(decimal) \(Self.units[unit])"
    }
}
