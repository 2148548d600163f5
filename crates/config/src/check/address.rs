//! The values of `address`: what DNS can give to visitors.

use std::net::{IpAddr, Ipv4Addr};

use crate::problems::Fault;

/// An address that visitors can reach: no range, no port, not "all of them".
pub(super) fn address(text: &str) -> Result<IpAddr, Fault> {
    let form = "write it like \"203.0.113.10\" or \"2001:db8::10\"";
    let ip: IpAddr = text.parse().map_err(|_| {
        let bare = text.trim();
        let bare = match bare.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((inner, _)) => inner,
            None => bare,
        };
        let bare = match bare.split_once(':') {
            Some((host, port)) if !port.contains(':') => host,
            _ => bare,
        };
        let help = match bare.parse::<IpAddr>() {
            Ok(ip) => format!("write \"{ip}\", without brackets or a port"),
            Err(_) => form.to_owned(),
        };
        Fault::new(format!("\"{text}\" is not an IP address"), help)
    })?;
    let broadcast = ip == IpAddr::V4(Ipv4Addr::BROADCAST);
    if ip.is_unspecified() || ip.is_multicast() || broadcast {
        let message = format!("{ip} is not the address of a server");
        return Err(Fault::new(message, "write the address that visitors reach it at"));
    }
    Ok(ip)
}
