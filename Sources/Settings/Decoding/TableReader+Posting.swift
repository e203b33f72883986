internal import SnapshotModel

/// What webhooks and hooks that post have in common.
extension TableReader {
    /// An address that may be posted to.
    ///
    /// - Parameters:
    ///   - name: the key with its table.
    ///   - isPlainAllowed: whether it may lead over the network without TLS.
    func address(_ text: SettingsText, of name: String, isPlainAllowed: Bool) -> PostAddress? {
        let address: PostAddress
        do throws(PostAddress.Flaw) {
            address = try PostAddress(text.text)
        } catch {
            refuse(text.node, "\(name): \(error.message)", hint: "write https://host/path")
            return nil
        }
        if !address.isEncrypted, !address.isLoopback, !isPlainAllowed {
            refuse(
                text.node,
                "\(name) goes over the network without TLS: who listens on the way reads what is posted",
                hint: "write https://, or add insecure = true")
        }
        return address
    }

    func absolutePath(_ key: Key) -> String? {
        guard let text = text(key, expected: "a path in quotes") else { return nil }
        guard text.text.hasPrefix("/"), PathHalves(text.text).name != "" else {
            refuse(text.node, "\(name(key)): \(Quote.text(text.text)) is not an absolute path")
            return nil
        }
        return text.text
    }
}
