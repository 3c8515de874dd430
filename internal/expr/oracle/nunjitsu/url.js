// Stands in for URL where there is none, for URLs as parseRepoUrl makes them.
class URL {
  constructor(text) {
    const m = /^https:\/\/([^/?#\s]+)([^?#]*)(\?[^#]*)?/.exec(text);
    if (!m) throw new TypeError('Invalid URL');
    this.text = text;
    this.host = m[1].toLowerCase();
    const decode = s => decodeURIComponent(s.replace(/\+/g, ' '));
    const pairs = (m[3] || '').slice(1).split('&').filter(p => p !== '').map(p => {
      const i = p.indexOf('=');
      return i < 0 ? [decode(p), ''] : [decode(p.slice(0, i)), decode(p.slice(i + 1))];
    });
    const find = k => pairs.find(p => p[0] === k);
    this.searchParams = { has: k => find(k) !== undefined, get: k => find(k) ? find(k)[1] : null };
  }
  toString() { return this.text; }
}
