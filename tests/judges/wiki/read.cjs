// Reads wiki markup as Atlassian's editor does: standard input in, the texts and links of each line out, as JSON.
const { WikiMarkupTransformer } = require('@atlaskit/editor-wikimarkup-transformer');

const pieces = (node) => {
    if (node.type === 'text') {
        const link = (node.marks ?? []).find((mark) => mark.type === 'link');
        const marks = (node.marks ?? []).map((mark) => mark.type).filter((type) => type !== 'link');
        return [{ text: node.text, link: link?.attrs.href, marks }];
    }
    if (node.type === 'hardBreak') {
        return [{ text: '\n' }];
    }
    const inner = (node.content ?? []).flatMap(pieces);
    const isPlain = ['doc', 'paragraph'].includes(node.type);
    return isPlain ? inner.concat(node.type === 'paragraph' ? [{ text: '\n' }] : []) : [{ text: '', node: node.type }, ...inner];
};

const markup = require('node:fs').readFileSync(0, 'utf8');
const document = new WikiMarkupTransformer().parse(markup).toJSON();
process.stdout.write(JSON.stringify(pieces(document)));
