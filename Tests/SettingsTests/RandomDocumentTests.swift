import Testing

@testable import Settings

@Suite struct RandomDocumentTests {
    @Test func everyKeyAndValueIsFoundWhereItWasWritten() throws {
        for seed in 0..<5000 as Range<UInt64> {
            let document = RandomDocument(seed: seed)
            let tree: TOMLTree
            do {
                tree = try TOMLTree.parse(document.text)
            } catch {
                Issue.record("seed \(seed): \(error)\n\(document.text)")
                return
            }
            guard tree == document.tree else {
                Issue.record("seed \(seed):\n\(document.text)\n\(tree)\n\(document.tree)")
                return
            }
        }
    }

    @Test func whatIsWrittenFromATreeReadsAsTheSameTree() throws {
        for seed in 0..<500 as Range<UInt64> {
            let tree = RandomDocument(seed: seed).tree.withoutMoments
            let text = tree.entries.map { "\(TOMLText.key($0.key)) = \($0.value.text)\n" }.joined()
            let again = try TOMLTree.parse(text)
            #expect(again.line == tree.line, "seed \(seed)")
        }
    }

    @Test func brokenDocumentsAreRefusedOrReadAndNeverTrap() {
        let pieces = [
            "[", "]", "{", "}", "\"", "'", "\"\"\"", "=", ".", ",", "\\", "\n", "#", "\u{0}",
        ]
        var random = SplitMix(state: 1)
        var refused = 0
        for seed in 0..<2000 as Range<UInt64> {
            var bytes = Array(RandomDocument(seed: seed).text.utf8)
            for _ in 0..<1 + random.below(3) {
                let start = random.below(bytes.count + 1)
                let end = min(bytes.count, start + random.below(3))
                bytes.replaceSubrange(start..<end, with: pieces[random.below(pieces.count)].utf8)
            }
            if !TOMLTree.errors(bytes).isEmpty { refused += 1 }
        }
        #expect(refused > 1000)
    }
}

extension TOMLTree {
    /// Dates are recognised, and not kept.
    fileprivate var withoutMoments: TOMLTree {
        TOMLTree(
            entries: entries.filter { $0.value.content != .moment }.map { entry in
                var entry = entry
                entry.value = entry.value.withoutMoments
                return entry
            })
    }
}

extension TOMLNode {
    fileprivate var withoutMoments: TOMLNode {
        var node = self
        switch content {
        case .table(let tree): node.content = .table(tree.withoutMoments)
        case .array(let nodes):
            node.content = .array(nodes.filter { $0.content != .moment }.map(\.withoutMoments))
        default: break
        }
        return node
    }
}
