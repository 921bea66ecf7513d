//! The offline model: keywords, decomposition and reassembly after Weizenbaum (1966)
